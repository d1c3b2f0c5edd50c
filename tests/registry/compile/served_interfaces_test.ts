import assert from "node:assert/strict";
import { compilePlugin } from "../../../registry/compile/compile.ts";
import { readComponent } from "../../../registry/compile/component_reader.ts";
import { SERVED, servedBy, ServedTypes } from "../../../registry/compile/served_interfaces.ts";
import { AppError } from "../../../runtime/base/errors.ts";
import { wat } from "../../support/components.ts";

const options = { sanitizeOps: false, sanitizeResources: false };

/** The refusal of a component with these imports; undefined if they match wit/. */
async function refusal(imports: string): Promise<string | undefined> {
  const bytes = await wat(`(component ${imports})`);
  const types = new ServedTypes();
  try {
    types.check(readComponent(bytes, types.numbers).imports);
    return undefined;
  } catch (error) {
    assert.ok(error instanceof AppError && error.code === "PLUGIN_UNSUPPORTED", String(error));
    return error.message;
  }
}

const STREAMS = `(import "wasi:io/streams@0.2.3" (instance $streams
    (export "input-stream" (type (sub resource))) (export "output-stream" (type (sub resource)))))
  (alias export $streams "input-stream" (type $in)) (alias export $streams "output-stream" (type $out))`;
const get = (result: string, more = "") =>
  `(import "wasi:cli/stdin@0.2.3" (instance
    (alias outer 1 $in (type $i)) (alias outer 1 $out (type $o)) ${more}
    (export "input-stream" (type $stream (eq $i)))
    (export "get-stdin" (func (result ${result})))))`;

Deno.test("servedBy() accepts every patch of the supported version, and no other version", () => {
  assert.ok(SERVED.size > 30);
  for (const name of ["wasi:io/poll@0.2.0", "wasi:io/poll@0.2.99", "krew-wasm:kubernetes/cluster@0.1.0"]) {
    assert.ok(servedBy(name), name);
  }
  for (
    const name of [
      ...[
        "wasi:io/poll",
        "wasi:io/poll@0.2",
        "wasi:io/poll@0.1.0",
        "wasi:io/poll@0.3.0",
        "wasi:io/poll@1.2.0",
      ],
      ...[
        "wasi:io/poll@0.2.0-rc",
        "wasi:io/poll@0.20.1",
        "krew-wasm:kubernetes/cluster@0.2.0",
        "constructor@0.2.0",
      ],
      ...["wasi:io/poll@0.2.0\n", "wasi:clocks/timezone@0.2.0", "wasi:cli/run@0.2.0", "@0.2.0", ""],
    ]
  ) assert.equal(servedBy(name), undefined, name);
});

Deno.test("identifies a resource by its interface, however the component gets it", options, async () => {
  assert.equal(await refusal(STREAMS + get("(own $stream)")), undefined);
  assert.equal(await refusal(STREAMS + get("(own $i)")), undefined);
  // Another resource, one of its own, none, a borrowed one, a second one of the same name.
  assert.match(
    await refusal(STREAMS + get("(own $o)")) ?? "",
    /"get-stdin" of "wasi:cli\/stdin@0.2.3" with other/,
  );
  assert.match(
    await refusal(STREAMS + get("(own $x)", `(export "x" (type $x (sub resource)))`)) ?? "",
    /"x"/,
  );
  assert.match(await refusal(STREAMS + get("u32")) ?? "", /get-stdin/);
  assert.match(await refusal(STREAMS + get("(option (own $stream))")) ?? "", /get-stdin/);
  assert.match(
    await refusal(`(import "wasi:cli/stdin@0.2.3" (instance
      (export "input-stream" (type $s (sub resource))) (export "get-stdin" (func (result (own $s))))))`) ??
      "",
    /the type "input-stream"/,
  );
  // Through another interface that uses it, and from another patch version.
  const files = `(import "wasi:filesystem/types@0.2.0" (instance $files
    (alias outer 1 $in (type $i)) (export "input-stream" (type (eq $i)))))
    (alias export $files "input-stream" (type $again))`;
  assert.equal(await refusal(STREAMS + files + get("(own $i)").replace("$in ", "$again ")), undefined);
  const twice = STREAMS.replaceAll("$streams", "$s2").replaceAll("$in", "$in2").replaceAll("$out", "$out2")
    .replace("0.2.3", "0.2.0");
  assert.equal(await refusal(STREAMS + twice + get("(own $stream)").replace("$in ", "$in2 ")), undefined);
  // A type that the component defines.
  const local = `(type $in (resource (rep i32))) (type $out (resource (rep i32)))`;
  await assert.rejects(compilePlugin(await wat(`(component ${local})`)), { code: "PLUGIN_UNSUPPORTED" });
});

Deno.test("accepts an interface only as an instance with its own functions", options, async () => {
  const name = "wasi:random/random@0.2.0";
  const random = (inner: string) => `(import "${name}" ${inner})`;
  assert.equal(await refusal(random(`(instance (export "get-random-u64" (func (result u64))))`)), undefined);
  assert.equal(await refusal(random("(instance)")), undefined);
  for (
    const other of [
      `(func (result u64))`,
      `(component)`,
      `(type (sub resource))`,
      `(instance (export "get-random-u64" (func)))`,
      `(instance (export "get-random-u64" (func (result s64))))`,
      `(instance (export "get-random-u64" (func (param "x" u8) (result u64))))`,
      `(instance (export "get-random-u64" (func async (result u64))))`,
      `(instance (export "get-random-u64" (instance)))`,
      `(instance (export "get-random-u64" (type (sub resource))))`,
      `(instance (type $t u64) (export "t" (type (eq $t))))`,
      `(instance (export "get-random-bytes" (func (param "len" u64) (result (list s8)))))`,
      `(instance (export "get-random-bytes" (func (param "len" u64) (result string))))`,
      `(instance (export "constructor" (func)))`,
      `(instance (export "inner" (instance (export "get-random-u64" (func (result u64))))))`,
      `(instance (export "random" (type $r (sub resource))) (export "[constructor]random" (func (result (own $r)))))`,
    ]
  ) assert.match(await refusal(random(other)) ?? "", /random|inner|"t"|constructor/, other);
});

Deno.test("compares labels in order, with their types", options, async () => {
  const clock = (record: string) =>
    `(import "wasi:clocks/wall-clock@0.2.0" (instance (type $r ${record}) (export "datetime" (type $d (eq $r)))
      (export "now" (func (result $d)))))`;
  const right = `(record (field "seconds" u64) (field "nanoseconds" u32))`;
  assert.equal(await refusal(clock(right)), undefined);
  for (
    const record of [
      `(record (field "nanoseconds" u32) (field "seconds" u64))`,
      `(record (field "seconds" u32) (field "nanoseconds" u64))`,
      `(record (field "seconds" u64) (field "nanosecond" u32))`,
      `(record (field "seconds" u64) (field "nanoseconds" u32) (field "x" u8))`,
      `(record (field "seconds" u64))`,
      `(tuple u64 u32)`,
      `(variant (case "seconds" u64) (case "nanoseconds" u32))`,
      `(flags "seconds" "nanoseconds")`,
      `(enum "seconds" "nanoseconds")`,
    ]
  ) assert.match(await refusal(clock(record)) ?? "", /the type "datetime"/, record);
});
