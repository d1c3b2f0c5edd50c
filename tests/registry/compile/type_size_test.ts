import assert from "node:assert/strict";
import { fc } from "../../support/fuzz.ts";
import { compilePlugin } from "../../../registry/compile/compile.ts";
import { readWit } from "../../../registry/oci/inspect_artifact.ts";
import { readComponent } from "../../../registry/compile/component_reader.ts";

// Loaded here, because its worker outlives a test.
const { parse } = await import("@bytecodealliance/jco-transpile/wasm-tools");
const countTypeParts = (bytes: Uint8Array) => readComponent(bytes).unfolded.parts;
const wat = async (text: string) => new Uint8Array(await parse(text));

/** Nested types, each with two of the previous one, in an instance whose function a component imports and lowers. */
const bomb = (depth: number) =>
  wat(`(component
    (type $it (instance
      (type $t0 (tuple u8 u8))
      ${Array.from({ length: depth }, (_, at) => `(type $t${at + 1} (tuple $t${at} $t${at}))`).join("\n")}
      (type $f (func (param "a" $t${depth})))
      (export "get-environment" (func (type $f)))))
    (import "wasi:cli/environment@0.2.0" (instance $env (type $it)))
    (alias export $env "get-environment" (func $lowered))
    (core module $libc (memory (export "mem") 1)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0))
    (core instance $libc (instantiate $libc))
    (alias core export $libc "mem" (core memory $mem))
    (alias core export $libc "realloc" (core func $realloc))
    (core func $low (canon lower (func $lowered) (memory $mem) (realloc $realloc))))`);

Deno.test("countTypeParts() counts the expanded types of a lowered function", async () => {
  // A pair has 3 parts, a pair of pairs 7. Add one each for the parameter list, the empty result, and the function.
  assert.equal(countTypeParts(await bomb(0)), 3 + 1 + 1 + 1);
  assert.equal(countTypeParts(await bomb(1)), 7 + 1 + 1 + 1);
  assert.equal(countTypeParts(await wat(`(component (type (record (field "a" u8))))`)), 0);
});

Deno.test("refuses a small component that expands to gigabytes at once", async () => {
  for (const depth of [17, 30, 90]) {
    const bytes = await bomb(depth);
    assert.ok(bytes.length < 1500);
    await assert.rejects(compilePlugin(bytes), { code: "TOO_LARGE" }, String(depth));
    await assert.rejects(readWit(bytes), { code: "TOO_LARGE" }, String(depth));
  }
});

Deno.test("reads every kind of type from every place that may name it", async () => {
  const bytes = await wat(`(component
    (import "a:b/c" (instance $i
      (export "r" (type $r (sub resource)))
      (type $flags (flags "x" "y"))
      (export "flags" (type $exported (eq $flags)))
      (type $enum (enum "x"))
      (type $variant (variant (case "x" u8) (case "y")))
      (type $record (record (field "l" (list string)) (field "o" (option $enum)) (field "v" $variant)))
      (export "f" (func (param "h" (borrow $r)) (param "r" $record) (result (result $exported (error string)))))))
    (alias export $i "flags" (type $flags))
    (type $pair (tuple $flags $flags))
    (component $inner
      (alias outer 1 $pair (type $outer))
      (type $list (list $outer))
      (import "f" (func $f (param "x" u8)))
      (core func $low (canon lower (func $f))))
    (core module $m (func (export "f") (param i32)))
    (core instance $m (instantiate $m))
    (func $g (param "x" u8) (canon lift (core func $m "f")))
    (instance (instantiate $inner (with "f" (func $g))))
    (alias export $i "f" (func $f))
    (instance $made (export "f" (func $f)))
    (alias export $made "f" (func $again))
    (type $resource (resource (rep i32)))
    (core func $drop (canon resource.drop $resource)))`);
  assert.equal(countTypeParts(bytes), 8); // of the one function that is lifted, and is lowered in the inner component
});

Deno.test("countTypeParts() returns a number or an error for any input", async () => {
  const bytes = await bomb(3);
  fc.assert(fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
    for (const changed of [bytes.with(at, value), bytes.subarray(0, at)]) {
      try {
        assert.ok(countTypeParts(changed) >= 0);
      } catch (error) {
        assert.match((error as { code: string }).code, /^(WASM_INVALID|PLUGIN_UNSUPPORTED)$/);
      }
    }
  }));
});
