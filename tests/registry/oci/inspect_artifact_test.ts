import assert from "node:assert/strict";
import { fc } from "../../support/fuzz.ts";
import { formatInspection, type Inspection, inspectionJson } from "../../../cli/commands/inspect.ts";
import { describeImports, fetchConfig, readWit, reportWasm } from "../../../registry/oci/inspect_artifact.ts";
import { RegistryClient } from "../../../registry/oci/registry_client.ts";
import { parseManifest } from "../../../registry/oci/manifest.ts";
import { parseReference } from "../../../registry/oci/mirrored_reference.ts";
import { readModuleNames } from "../../../registry/compile/import_names.ts";
import { makeArtifact } from "../../../scripts/servers/artifacts.ts";
import { TestRegistry } from "../../../scripts/servers/oci_registry.ts";

// Loaded here, because its worker outlives a test.
const { parse: wat } = await import("@bytecodealliance/jco-transpile/wasm-tools");
await wat("(module)");

Deno.test("readModuleNames() reads the same imports and exports as the engine", async () => {
  const bytes = new Uint8Array(
    await wat(`(module
      (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
      (import "a" "table" (table 1 10 funcref))
      (import "a" "memory" (memory 1))
      (import "a" "global" (global (mut i64)))
      (import "a" "extern" (global externref))
      (func (export "_start"))
      (global (export "g") i32 (i32.const 1)))`),
  );
  const module = new WebAssembly.Module(bytes);
  const { imports, exports } = readModuleNames(bytes);
  assert.deepEqual(
    imports,
    WebAssembly.Module.imports(module).map(({ module, name }) => `${module}.${name}`),
  );
  assert.deepEqual(exports, WebAssembly.Module.exports(module).map(({ name }) => name));
  fc.assert(fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
    const changed = bytes.with(at, value);
    try {
      readModuleNames(changed.subarray(0, 8 + at));
      readModuleNames(changed);
    } catch (error) {
      assert.equal((error as { code?: string }).code, "WASM_INVALID");
    }
  }));
});

Deno.test("describeImports() describes the abilities that imports give", () => {
  assert.deepEqual(
    describeImports([
      "wasi_snapshot_preview1.fd_write",
      "wasi_snapshot_preview1.path_open",
      "wasi-outbound-http.req",
    ]),
    ["talks to the cluster", "reads files", "writes to standard output or error"],
  );
  assert.deepEqual(describeImports(["krew-wasm:kubernetes/cluster@0.1.0", "wasi:clocks/wall-clock@0.2.0"]), [
    "talks to the cluster",
    "asks for the time",
  ]);
  // Every import that gives a preview1 module access to the cluster.
  for (const name of ["krew_wasm_kubernetes.request", "krew_wasm_kubernetes.upgrade"]) {
    assert.deepEqual(describeImports([name]), ["talks to the cluster"]);
  }
  assert.deepEqual(describeImports([]), []);
  assert.deepEqual(describeImports(["env.evil\x1b[2J"]), [
    "wants what krew-wasm does not have: env.evil\\x1b[2J",
  ]);
});

Deno.test("readWit() reads a component's WIT and refuses a broken component", async () => {
  const bytes = new Uint8Array(
    await wat(`(component (import "wasi:cli/environment@0.2.0" (instance)) (core module))`),
  );
  const { kind, imports, abilities } = reportWasm(bytes);
  assert.deepEqual([kind, imports, abilities], ["component", ["wasi:cli/environment@0.2.0"], [
    "reads its environment",
  ]]);
  assert.match(await readWit(bytes), /world root/);
  await assert.rejects(readWit(bytes.subarray(0, bytes.length - 3)), { code: "WASM_INVALID" });
});

const WASM = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);

Deno.test("shows no control characters of an artifact", () => {
  const evil = "a\x1b[2J\u202eb\n" + "x".repeat(10_000_000);
  const { manifest } = makeArtifact(WASM, "cncf", {
    "org.opencontainers.image.description": evil,
    "\x07": evil,
  });
  const inspection: Inspection = {
    reference: "r.example/a:v1",
    manifestDigest: "sha256:0",
    indexDigest: undefined,
    plugin: parseManifest(manifest, "x"),
    config: { created: evil, author: evil, platform: evil },
    wasm: {
      kind: "module",
      imports: [evil, ...Array.from({ length: 50 }, () => "m.n")],
      exports: [evil],
      abilities: [],
    },
    wit: `world root {\n  import ${evil};\n}`,
  };
  const text = formatInspection(inspection, "/home/me");
  assert.ok(!/[\x00-\x09\x0b-\x1f\u202e]/.test(text));
  assert.ok(text.length < 10_000, `${text.length} characters`);
  assert.ok(JSON.stringify(inspectionJson(inspection)).length > 0);
});

Deno.test("inspect shows a wish in words, or unchanged if it is invalid", () => {
  const shown = (wish: string) => {
    const { manifest } = makeArtifact(WASM, "cncf", { "krew-wasm.dev/grants": wish, "example.com/a": "b" });
    return formatInspection({
      reference: "r.example/a:v1",
      manifestDigest: "sha256:0",
      indexDigest: undefined,
      plugin: parseManifest(manifest, "x"),
      config: {},
      wasm: { kind: "module", imports: [], exports: [], abilities: [] },
      wit: undefined,
    } as unknown as Inspection, "/home/me");
  };
  const text = shown('{"version":1,"why":"Reads keys","read":["~/.ssh"],"cluster":"none"}');
  assert.match(text, /annotations:\n {2}example\.com\/a: b\n(?! )/);
  assert.match(text, /wishes it to be granted:\n {2}"Reads keys"\n/);
  assert.match(text, /\n {2}files: read \/home\/me\/\.ssh \(.+\)\n/);
  assert.match(shown('{"version":99}'), /wishes it to be granted:\n {2}\{"version":99\}\n/);
});

Deno.test("ignores an invalid config", async () => {
  await using registry = TestRegistry.start();
  const client = new RegistryClient({ credentials: () => Promise.resolve(undefined) });
  const reference = parseReference(`${registry.host}/a:v1`);
  const plugin = parseManifest(makeArtifact(WASM).manifest, "x");
  const nothing = { created: undefined, author: undefined, platform: undefined };
  for (const text of ["[1,2,3]", "null", "not JSON", '{"created":5,"os":{}}']) {
    const bytes = new TextEncoder().encode(text);
    const { digestOf } = await import("../../../registry/oci/digest.ts");
    registry.putBlob(bytes);
    const config = { mediaType: "x", digest: digestOf(bytes), size: bytes.length };
    assert.deepEqual(await fetchConfig(client, reference, { ...plugin, config }), nothing, text);
  }
  const huge = { ...plugin, config: { ...plugin.config, size: 2 ** 40 } };
  assert.deepEqual(await fetchConfig(client, reference, huge), nothing);
});
