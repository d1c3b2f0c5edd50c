import assert from "node:assert/strict";
import { compilePlugin } from "../../../registry/compile/compile.ts";
import { readComponent } from "../../../registry/compile/component_reader.ts";
import { wat } from "../../support/components.ts";

/** Small components that expand to large code: each way to define something once and use it often. */

const options = { sanitizeOps: false, sanitizeResources: false };

const MAIN = `(core module $main
    (func (export "run") (result i32) (i32.const 0)) (func (export "f") (param i32)) (memory (export "memory") 1))
  (core instance $main (instantiate $main))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $command (export "run" (func $run)))
  (export "wasi:cli/run@0.2.3" (instance $command))`;

const repeat = (count: number, text: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => text(index)).join("\n");

/** Each level has two of the level before: 2^depth of the first. */
const doubled = (depth: number, first: string, ways = 2) =>
  `(component $root ${MAIN} (component $c0 ${first})
    ${
    repeat(depth, (at) =>
      `(component $c${at + 1} (alias outer $root $c${at} (component $x)) ${
        "(instance (instantiate $x)) ".repeat(ways)
      })`)
  }
    (instance (instantiate $c${depth})))`;

const long = "x".repeat(90_000);

/** Components by what they repeat: an accepted count, and a refused one. */
const KINDS: Readonly<
  Record<string, readonly [text: (count: number) => string, fine: number, tooMuch: readonly number[]]>
> = {
  "instances of instances": [
    (depth) => doubled(depth, `(core module $m (func (export "f"))) (core instance (instantiate $m))`),
    5,
    [17, 18, 19, 22, 30, 99],
  ],
  "instances with many arguments": [
    (ways) => doubled(3, `(core module $m (func (export "f"))) (core instance (instantiate $m))`, ways),
    3,
    [100],
  ],
  "memories": [(depth) => doubled(depth, `(core module $m (memory 1)) (core instance (instantiate $m))`), 3, [
    6,
    20,
  ]],
  "lifted functions": [
    (count) =>
      `(component ${MAIN} ${
        repeat(count, (at) =>
          `(func $f${at} (param "a" u32) (canon lift (core func $main "f"))) (export "f${at}" (func $f${at}))`)
      })`,
    50,
    [12_000],
  ],
  "functions lifted again for every instance": [
    (depth) =>
      doubled(
        depth,
        `(core module $m (func (export "f") (param i32))) (core instance $m (instantiate $m))
         (type $wide (tuple ${"u8 ".repeat(15)}))
         ${
          repeat(
            20,
            (at) => `(func $f${at} (param "a" u32) (param "b" $wide) (canon lift (core func $m "f")))`,
          )
        }`
          .replaceAll("(param i32)", `(param ${"i32 ".repeat(16)})`),
      ),
    3,
    [14],
  ],
  "exports of the same function": [
    (count) =>
      `(component ${MAIN}
        ${repeat(50, (at) => `(func $f${at} (param "a" u32) (canon lift (core func $main "f")))`)}
        (instance $big ${repeat(50, (at) => `(export "f${at}" (func $f${at}))`)})
        ${repeat(count, (at) => `(export "a:b/c${at}" (instance $big))`)})`,
    3,
    [300],
  ],
  "instances with the same functions": [
    (depth) =>
      `(component ${MAIN} (instance $i0 (export "f" (func $run)))
        ${
        repeat(
          depth,
          (at) => `(instance $i${at + 1} (export "a" (instance $i${at})) (export "b" (instance $i${at})))`,
        )
      }
        (export "a:b/c" (instance $i${depth})))`,
    0,
    [14, 30],
  ],
  "long names of module imports": [
    (count) =>
      `(component ${MAIN} (core module $m (func (export "${long}"))) (core instance $a (instantiate $m))
        (core module $k (import "a" "${long}" (func)))
        ${repeat(count, () => `(core instance (instantiate $k (with "a" (instance $a))))`)})`,
    3,
    [200, 900],
  ],
  "long names of arguments": [
    (count) =>
      `(component ${MAIN} (core module $m (func (export "${long}"))) (core instance $m (instantiate $m))
        (alias core export $m "${long}" (core func $long))
        (core module $k (import "a" "f" (func)))
        ${
        repeat(
          count,
          () => `(core instance (instantiate $k (with "a" (instance (export "f" (func $long))))))`,
        )
      })`,
    3,
    [200],
  ],
};

for (const [kind, [text, fine, tooMuch]] of Object.entries(KINDS)) {
  Deno.test(`refuses a component that repeats ${kind} too often`, options, async () => {
    // jco cannot compile some of them even once.
    if (fine > 0) assert.equal((await compilePlugin(await wat(text(fine)))).kind, "component");
    for (const count of tooMuch) {
      await assert.rejects(compilePlugin(await wat(text(count))), { code: "TOO_LARGE" }, String(count));
    }
  });
}

Deno.test("refuses to instantiate an imported component of unknown size", options, async () => {
  const bytes = await wat(`(component ${MAIN}
    (component $a (import "c" (component $c)) (instance (instantiate $c)))
    (component $b)
    (instance (instantiate $a (with "c" (component $b)))))`);
  await assert.rejects(compilePlugin(bytes), { code: "WASM_INVALID" });
});

Deno.test("names functions of WASI 0.3's component model in the error", options, async () => {
  for (
    const text of [
      `(component ${MAIN} (core func (canon waitable-set.new)))`,
      `(component ${MAIN} (func (canon lift (core func $main "run") async (callback (core func $main "f")))))`,
      `(component ${MAIN} (core func (canon backpressure.inc)))`,
    ]
  ) {
    await assert.rejects(
      compilePlugin(await wat(text)),
      { code: "PLUGIN_UNSUPPORTED", message: /WASI 0\.3/ },
      text,
    );
  }
});

Deno.test("counts the parts of a composition", options, async () => {
  const { unfolded } = readComponent(
    await wat(doubled(4, `(core module $m (memory 1)) (core instance (instantiate $m))`)),
  );
  assert.equal(unfolded.instances, 17); // its own, and 2^4
  assert.equal(unfolded.memories, 17);
});
