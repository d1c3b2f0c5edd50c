/** Describes an artifact from its manifest, config and bytes, without running it. */

import { concatBytes } from "../../runtime/base/bytes.ts";
import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import type { RegistryClient } from "./registry_client.ts";
import type { PluginManifest } from "./manifest.ts";
import type { Reference } from "./mirrored_reference.ts";
import { refuseLargeTypes } from "../compile/type_size.ts";
import { readComponentNames, readModuleNames } from "../compile/import_names.ts";
import { wasmKind } from "../compile/wasm_reader.ts";

/** The imports and exports of a plugin's WebAssembly. */
export interface WasmReport {
  readonly kind: "module" | "component";
  /** Interfaces of a component; `MODULE.NAME` of a module. */
  readonly imports: readonly string[];
  readonly exports: readonly string[];
  /** The abilities that the imports give, in words. */
  readonly abilities: readonly string[];
}

/** Reads a binary's imports and exports. @throws AppError WASM_INVALID */
export function reportWasm(bytes: Uint8Array): WasmReport {
  const kind = wasmKind(bytes);
  const { imports, exports } = kind === "component" ? readComponentNames(bytes) : readModuleNames(bytes);
  const once = [...new Set(imports)]; // Go imports some functions more than once
  return { kind, imports: once, exports, abilities: describeImports(once) };
}

// In the order of the output. A preview1 module imports functions, a component imports interfaces.
const ABILITIES: readonly [words: string, pattern: RegExp][] = [
  [
    "talks to the cluster",
    /^(krew-wasm:kubernetes\/|krew_wasm_kubernetes\.|wasi:http\/outgoing-handler|wasi-outbound-http\.|wasi:sockets\/(tcp|udp))/,
  ],
  ["reads files", /^(wasi:filesystem\/|wasi_(snapshot_preview1|unstable)\.(path_open|fd_readdir)$)/],
  [
    "changes files",
    /^(wasi:filesystem\/|wasi_(snapshot_preview1|unstable)\.(path_(create|unlink|remove|rename|symlink|link|filestat_set)\w*|fd_(allocate|filestat_set_size))$)/,
  ],
  [
    "reads its environment",
    /^(wasi:cli\/environment|wasi_(snapshot_preview1|unstable)\.environ_get$)/,
  ],
  ["reads keys from the terminal", /^(krew-wasm:terminal\/|krew_wasm_terminal\.)/],
  ["reads standard input", /^wasi:cli\/stdin|^wasi_(snapshot_preview1|unstable)\.fd_read$/],
  [
    "writes to standard output or error",
    /^wasi:cli\/(stdout|stderr)|^wasi_(snapshot_preview1|unstable)\.fd_write$/,
  ],
  ["asks for the time", /^wasi:clocks\/|^wasi_(snapshot_preview1|unstable)\.clock_/],
  ["asks for random numbers", /^wasi:random\/|^wasi_(snapshot_preview1|unstable)\.random_get$/],
];
const KNOWN =
  /^(wasi:(cli|clocks|filesystem|http|io|random|sockets)\/|krew-wasm:(kubernetes|terminal)\/|krew_wasm_(kubernetes|terminal)\.|wasi_snapshot_preview1\.|wasi_unstable\.|wasi-outbound-http\.)/;

/** Describes the abilities that imports give, in words. Names the imports that krew-wasm does not provide. Pure. */
export function describeImports(imports: readonly string[]): string[] {
  const words = ABILITIES.filter(([, pattern]) => imports.some((name) => pattern.test(name)))
    .map(([text]) => text);
  const unknown = imports.filter((name) => !KNOWN.test(name));
  if (unknown.length === 0) return words;
  const shown = unknown.slice(0, 5).map((name) => printable(name, 80)).join(", ");
  return [...words, `wants what krew-wasm does not have: ${shown}${unknown.length > 5 ? ", …" : ""}`];
}

/** The WIT of a component. @throws AppError WASM_INVALID, TOO_LARGE */
export async function readWit(bytes: Uint8Array): Promise<string> {
  refuseLargeTypes(bytes);
  const { componentWit } = await import("@bytecodealliance/jco-transpile/wasm-tools");
  try {
    return await componentWit(bytes);
  } catch (error) {
    throw new AppError(
      "WASM_INVALID",
      `Its WIT can't be read: ${printable(messageOf(error).split("\n", 1)[0] ?? "", 200)}`,
    );
  }
}

const MAX_CONFIG = 1 << 20;

/** An artifact's config: its creation time and author. Nothing of it is verified. */
export interface ConfigReport {
  readonly created: string | undefined;
  readonly author: string | undefined;
  readonly platform: string | undefined;
}

/**
 * Fetches and reads an artifact's config. Returns undefined for other configs than Wasm's.
 *
 * @throws AppError REGISTRY_…, DIGEST_MISMATCH
 */
export async function fetchConfig(
  client: RegistryClient,
  reference: Reference,
  { config }: PluginManifest,
): Promise<ConfigReport> {
  const nothing = { created: undefined, author: undefined, platform: undefined };
  if (config.size > MAX_CONFIG || config.size < 3) return nothing;
  const bytes = await fetchBytes(client, reference, config);
  try {
    const json = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    const text = (value: unknown) =>
      typeof value === "string" && value !== "" ? value.slice(0, 200) : undefined;
    const [os, architecture] = [text(json.os), text(json.architecture)];
    return {
      created: text(json.created),
      author: text(json.author),
      platform: os && architecture ? `${architecture}/${os}` : undefined,
    };
  } catch {
    return nothing;
  }
}

/** Fetches a whole blob into memory. @throws AppError REGISTRY_…, DIGEST_MISMATCH */
export async function fetchBytes(
  client: RegistryClient,
  reference: Reference,
  blob: { readonly digest: string; readonly size: number },
  progress: (done: number, total: number) => void = () => {},
  verb = "inspect",
): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  await client.fetchBlob(
    reference,
    blob,
    () => {
      chunks.length = 0;
      return (bytes) => chunks.push(bytes);
    },
    (done) => progress(done, blob.size),
    verb,
  );
  return concatBytes(chunks);
}
