import assert from "node:assert/strict";
import { AppError } from "../../../runtime/base/errors.ts";
import { compilePlugin, suspendingImports } from "../../../registry/compile/compile.ts";
import { buildC, dummy, lacksClang, runBytes, testSandbox, wat } from "../../support/components.ts";

// jco starts timers when it is first imported, and its output leaves timers of 10 ms behind.
const jcoLeaves = { sanitizeOps: false, sanitizeResources: false };

const WASI_IMPORT = `(import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))`;

async function rejectsWith(code: string, bytes: Uint8Array<ArrayBuffer>, message = /./): Promise<void> {
  await assert.rejects(
    compilePlugin(bytes),
    (error) => error instanceof AppError && error.code === code && message.test(error.message),
  );
}

Deno.test("compilePlugin() keeps a preview1 module and strips it", jcoLeaves, async () => {
  const module = await wat(
    `(module ${WASI_IMPORT} (memory (export "memory") 1) (func (export "_start")) (@custom "debug" "a lot"))`,
  );
  const { kind, files } = await compilePlugin(module);
  assert.equal(kind, "preview1");
  assert.deepEqual(files.map(({ name }) => name), ["plugin.wasm"]);
  assert.ok(WebAssembly.validate(files[0]!.bytes));
  assert.deepEqual(WebAssembly.Module.customSections(new WebAssembly.Module(files[0]!.bytes), "debug"), []);
});

Deno.test("compilePlugin() refuses invalid, truncated and other files", jcoLeaves, async () => {
  await rejectsWith("WASM_INVALID", new Uint8Array());
  await rejectsWith("WASM_INVALID", new TextEncoder().encode("#!/bin/sh\nexit 0\n"));
  await rejectsWith("WASM_INVALID", new Uint8Array([0, 0x61, 0x73, 0x6d, 2, 0, 0, 0]));
  const module = await wat(`(module (memory (export "memory") 1) (func (export "_start") nop nop nop))`);
  await rejectsWith("WASM_INVALID", module.slice(0, -3));
  const broken = module.slice();
  broken[broken.length - 1] = 0xff; // the end of the function
  await rejectsWith("WASM_INVALID", broken);
});

Deno.test("compilePlugin() names an import that krew-wasm does not provide", jcoLeaves, async () => {
  const start = `(memory (export "memory") 1) (func (export "_start"))`;
  await rejectsWith(
    "PLUGIN_UNSUPPORTED",
    await wat(`(module (import "env" "system" (func)) ${start})`),
    /"system"/,
  );
  await rejectsWith(
    "PLUGIN_UNSUPPORTED",
    await wat(`(component (import "wasi:keyvalue/store@0.2.0" (instance)))`),
    /wasi:keyvalue\/store@0\.2\.0/,
  );
  await rejectsWith("PLUGIN_UNSUPPORTED", await wat(`(component (import "evil" (func)))`), /"evil"/);
  await rejectsWith(
    "PLUGIN_UNSUPPORTED",
    await wat(`(component (import "wasi:cli/run@0.3.0" (instance)))`),
    /0\.3\.0/,
  );
});

Deno.test("compilePlugin() refuses a library", jcoLeaves, async () => {
  await rejectsWith("PLUGIN_UNSUPPORTED", await wat(`(module (memory (export "memory") 1))`), /_start/);
  await rejectsWith("PLUGIN_UNSUPPORTED", await wat(`(module (func (export "_start")))`), /memory/);
  await rejectsWith("PLUGIN_UNSUPPORTED", await wat(`(component)`), /nothing/);
  await rejectsWith(
    "PLUGIN_UNSUPPORTED",
    await wat(`(component
      (core module $m (func (export "f"))) (core instance $i (instantiate $m))
      (func $f (canon lift (core func $i "f"))) (export "greet" (func $f)))`),
    /greet/,
  );
});

/** A component that links its core modules by these names: of an instance, an export, an import and the program. */
function joinedBy(instance: string, memory: string, give: string, run: string) {
  const text = (name: string) =>
    `"${
      [...new TextEncoder().encode(name)].map((byte) => `\\${byte.toString(16).padStart(2, "0")}`).join("")
    }"`;
  return wat(`(component
    (core module $a
      (memory (export ${text(memory)}) 1) (func (export ${text(give)}) (result i32) i32.const 0))
    (core instance $a (instantiate $a))
    (core module $b
      (import ${text(instance)} ${text(memory)} (memory 1))
      (import ${text(instance)} ${text(give)} (func $f (result i32)))
      (func (export ${text(run)}) (result i32) call $f))
    (core instance $b (instantiate $b (with ${text(instance)} (instance $a))))
    (func $run (result (result)) (canon lift (core func $b ${text(run)})))
    (instance $command (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $command)))`);
}

Deno.test("compilePlugin() refuses names that would become code", jcoLeaves, async () => {
  const call = "globalThis.nameBecameCode=1";
  const evil = [
    `a'+(${call})+'`, // code in jco 1.35's output, which writes exports['a'+(…)+'']
    `a', x: ${call}, b: 'c`,
    `'];${call};//`,
    `"];${call};//`,
    `\`;${call};//`,
    `\${${call}}`,
    `*/${call}/*`,
    `\n${call}\n`,
    `\r${call}`,
    `\u2028${call}\u2029`,
    `\\';${call};//`,
    `a\\`,
    `-->${call}`,
    `\0`,
    `\u202e`,
  ];
  for (const name of evil) {
    for (
      const names of [
        [name, "m", "f", "run"],
        ["i", name, "f", "run"],
        ["i", "m", name, "run"],
        ["i", "m", "f", name],
      ] as [string, string, string, string][]
    ) {
      await rejectsWith("PLUGIN_UNSUPPORTED", await joinedBy(...names), /could be taken for code/);
    }
  }
});

Deno.test(
  "compilePlugin() refuses a component for which jco makes invalid JavaScript",
  jcoLeaves,
  async () => {
    await rejectsWith("COMPILE_FAILED", await joinedBy("", "m", ".f", "")); // two variables with the same name
  },
);

Deno.test("compilePlugin() refuses names that the component model does not allow", jcoLeaves, async () => {
  const label = "abcdefgh";
  const interfaces = [
    `record r { ${label}: u32 } f: func(p: r);`,
    `variant r { ${label} } f: func(p: r);`,
    `enum r { ${label} } f: func(p: r);`,
    `flags r { ${label} } f: func(p: r);`,
    `f: func(${label}: u32);`,
    `${label}: func();`,
    `resource ${label}; f: func(p: ${label});`,
  ];
  for (const wit of interfaces) {
    const bytes = await dummy(
      `package a:b; interface i { ${wit} } world w { export i; export wasi:cli/run@0.2.0; }
       package wasi:cli@0.2.0 { interface run { run: func() -> result; } }`,
    );
    assert.equal((await compilePlugin(bytes)).kind, "component", wit);
    const characters = new TextDecoder("latin1").decode(bytes).replaceAll(label, "a'+b()+'");
    await assert.rejects(
      compilePlugin(Uint8Array.from(characters, (character) => character.charCodeAt(0))),
      (error) =>
        error instanceof AppError && /^(WASM_INVALID|COMPILE_FAILED|PLUGIN_UNSUPPORTED)$/.test(error.code),
      wit,
    );
  }
});

Deno.test("compilePlugin() accepts the names that toolchains use", jcoLeaves, async () => {
  for (
    const name of [
      "$imports",
      "[method]input-stream.read",
      "cabi_post_wasi:cli/run@0.2.0#run",
      "_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE",
      "~lib/rt/itcms/__new|trampoline",
      "constructor",
      "hasOwnProperty",
      "GOT.mem",
    ]
  ) {
    assert.equal(await runBytes(await joinedBy(name, "m", `${name}.f`, name), testSandbox()), 0, name);
  }
});

Deno.test("suspendingImports() lists the imports that may wait", () => {
  const streams = "wasi:io/streams@0.2.6";
  assert.deepEqual(suspendingImports([streams, "wasi:cli/stdin@0.2.6"]), []);
  const polling = suspendingImports([streams, "wasi:io/poll@0.2.6"]);
  assert.ok(polling.includes("wasi:io/poll@0.2.6#poll"));
  assert.ok(polling.includes(`${streams}#[method]input-stream.blocking-read`));
  assert.ok(!polling.some((name) => name.includes("blocking-write")));
  const network = suspendingImports([streams, "wasi:http/outgoing-handler@0.2.6"]);
  assert.ok(network.includes(`${streams}#[method]output-stream.blocking-write-and-flush`));
  assert.ok(
    suspendingImports(["krew-wasm:kubernetes/cluster@0.1.0"]).includes(
      "krew-wasm:kubernetes/cluster@0.1.0#send",
    ),
  );
});

Deno.test({
  ...jcoLeaves,
  name: "compilePlugin() makes a component of a module that carries component types",
  ignore: lacksClang(),
  async fn() {
    const module = await buildC("examples/hello/hello.c");
    const { componentEmbed } = await import("@bytecodealliance/jco-transpile/wasm-tools");
    const embedded = await componentEmbed({
      binary: module,
      witSource: "package test:plugin; world plugin {}",
    });
    const { kind } = await compilePlugin(embedded.slice());
    assert.equal(kind, "component");
    const sandbox = testSandbox({ args: ["kubectl-hello", "--env"], env: [["A", "1"]] });
    assert.equal(await runBytes(embedded.slice(), sandbox), 0);
    assert.equal(sandbox.stdout.text(), "A=1\n");
  },
});
