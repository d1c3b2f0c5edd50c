/** A store in its own directory, and a registry with a few plugins to install. */

import { RegistryClient } from "../../registry/oci/registry_client.ts";
import type { Compiled } from "../../registry/compile/compile.ts";
import type { DecideGrants, InstallDecisions, InstallPlan } from "../../registry/install/install_plan.ts";
import { type InstallOptions, installPlugin } from "../../registry/install/install.ts";
import { parseReference } from "../../registry/oci/mirrored_reference.ts";
import type { LinkTarget } from "../../registry/store/links.ts";
import { type Grants, LEAST } from "../../runtime/grants/grants.ts";
import { type Layout, layoutAt } from "../../runtime/store/layout.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";

/** `(module (memory (export "memory") 1) (func (export "_start")))` */
export const NOTHING = Uint8Array.fromBase64(
  "AGFzbQEAAAABBAFgAAADAgEABQMBAAEHEwIGbWVtb3J5AgAGX3N0YXJ0AAAKBAECAAs=",
);

/** A module that does nothing, with `text` in a custom section so that its bytes differ. */
export function makeWasm(text: string): Uint8Array<ArrayBuffer> {
  const name = new TextEncoder().encode(text);
  if (name.length > 100) throw new Error("too long for a section of one size byte");
  return new Uint8Array([...NOTHING, 0, name.length + 1, name.length, ...name]);
}

/** Changes to the defaults of {@linkcode TestStore}'s installations. */
export type InstallChange =
  & Partial<InstallPlan & InstallOptions>
  & { readonly grants?: Grants | DecideGrants; readonly verify?: InstallDecisions["signatures"] };

/** A store with a registry. */
export class TestStore implements AsyncDisposable {
  readonly layout: Layout;
  #clock = Date.parse("2026-01-01T00:00:00Z");

  private constructor(readonly directory: string, readonly registry: TestRegistry) {
    this.layout = layoutAt(`${directory}/store`);
  }

  static make(): TestStore {
    return new TestStore(Deno.realPathSync(Deno.makeTempDirSync()), TestRegistry.start());
  }

  /** Pushes a plugin; `reference` as `acme/foo:v1`. */
  async push(
    reference: string,
    wasm: Uint8Array = makeWasm(reference),
    annotations?: Record<string, string>,
  ) {
    const [repository = "", tag = ""] = reference.split(":");
    await push(this.registry.origin, repository, tag, makeArtifact(wasm, "cncf", annotations));
  }

  /** Installs `acme/foo:v1` and advances the clock by a second. The compiled form is the module itself. */
  install(reference: string, change: InstallChange = {}): Promise<Receipt> {
    return install({
      layout: this.layout,
      reference: parseReference(`${this.registry.host}/${reference}`),
      force: true,
      target: BINARY,
      client: new RegistryClient({ credentials: () => Promise.resolve(undefined) }),
      compile: compileNothing,
      now: () => new Date(this.#clock += 1000),
      ...change,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.registry[Symbol.asyncDispose]();
    await Deno.remove(this.directory, { recursive: true });
  }
}

/** Installs with one object for plan, decisions and options. Grants the least, and asks for no signature. */
export async function install(
  { grants = LEAST, verify, ...options }: InstallPlan & InstallOptions & InstallChange,
): Promise<Receipt> {
  const decide: InstallDecisions = {
    signatures: verify ?? (() => Promise.resolve([])),
    grants: typeof grants === "function" ? grants : () => grants,
  };
  return await installPlugin(options, decide, options);
}

/** The target of a test's links. */
export const BINARY: LinkTarget = { kind: "binary", path: "/opt/krew-wasm" };

/** Returns the module itself, unchecked. */
export function compileNothing(bytes: Uint8Array<ArrayBuffer>): Promise<Compiled> {
  return Promise.resolve({ kind: "preview1", files: [{ name: "plugin.wasm", bytes }] });
}

/** The names in a directory, sorted. */
export function namesIn(path: string): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
}

/** A module that exits with `code` (below 64), so that a test recognizes its version. */
export function makeExiting(code: number): Uint8Array<ArrayBuffer> {
  const text = (value: string) => [value.length, ...new TextEncoder().encode(value)];
  const section = (id: number, content: number[]) => [id, content.length, ...content];
  return new Uint8Array([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [2, 0x60, 1, 0x7f, 0, 0x60, 0, 0]), // (i32) -> (), () -> ()
    ...section(2, [1, ...text("wasi_snapshot_preview1"), ...text("proc_exit"), 0, 0]),
    ...section(3, [1, 1]),
    ...section(5, [1, 0, 1]),
    ...section(7, [2, ...text("memory"), 2, 0, ...text("_start"), 0, 1]),
    ...section(10, [1, 6, 0, 0x41, code, 0x10, 0, 0x0b]), // i32.const code, call 0
  ]);
}
