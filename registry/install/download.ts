/**
 * What of an artifact a store does not have yet, on its way there: downloaded and compiled without the store's lock, so
 * that others go on meanwhile.
 */

import { AppError } from "../../runtime/base/errors.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import { lowerFirst, printable } from "../../runtime/base/text.ts";
import type { FetchedManifest, RegistryClient } from "../oci/registry_client.ts";
import type { Compiled } from "../compile/compile.ts";
import { configOf, type PluginManifest } from "../oci/manifest.ts";
import { formatReference, type Reference } from "../oci/mirrored_reference.ts";
import { findCompiled, readIntact } from "../store/blobs.ts";
import { storeFailed } from "../store/disk.ts";
import { Incoming } from "../store/incoming.ts";
import { isIntact, readSlimFrom } from "../store/slim.ts";

/** How a plugin is compiled; a parameter, since loading the compiler takes longer than most commands. */
export type Compile = (bytes: Uint8Array<ArrayBuffer>) => Promise<Compiled>;

/** Where artifacts come from: a registry, or a bundle. */
export type ArtifactSource = Pick<RegistryClient, "fetchManifest" | "fetchBlob">;

/** What fetching needs. */
export interface FetchOptions {
  readonly layout: Layout;
  readonly reference: Reference;
  readonly client: ArtifactSource;
  readonly compile: Compile;
  /** Told what is going on: bytes of the download so far and in all. */
  readonly progress?: (bytes: number, total: number) => void;
}

/** What was fetched; dispose it to free what it takes. */
export interface Fetched extends Disposable {
  /** The WebAssembly; undefined where the store has it. */
  readonly blob: Incoming | undefined;
  /** What became of that; undefined where the store has the WebAssembly, or a compiled form of it. */
  readonly compiled: Compiled | undefined;
  /** The artifact's config, which is kept too; undefined where it has none to keep. */
  readonly config: Uint8Array | undefined;
}

/** Fetches what the store has not. @throws AppError REGISTRY_…, DIGEST_MISMATCH, WASM_INVALID, …, STORE_FAILED */
export async function fetchArtifact(
  options: FetchOptions,
  manifest: FetchedManifest,
  plugin: PluginManifest,
): Promise<Fetched> {
  const { layout } = options;
  // The config is small: it comes beside the WebAssembly, once that does, and while that is compiled.
  let fetching: Promise<Uint8Array | undefined> | undefined;
  const fetchConfig = () => {
    if (!fetching) {
      fetching = findConfig(options, manifest);
      fetching.catch(() => {}); // told where it is waited for
    }
    return fetching;
  };
  if (isIntact(layout.blob(plugin.digest), plugin)) {
    return { blob: undefined, compiled: undefined, config: await fetchConfig(), [Symbol.dispose]() {} };
  }
  const blob = Incoming.open(layout);
  try {
    await download(options, plugin, blob, fetchConfig);
    const compiled = findCompiled(layout, plugin.digest)
      ? undefined
      : await compileFor(options, readSlimFrom(blob.file));
    return { blob, compiled, config: await fetchConfig(), [Symbol.dispose]: () => blob[Symbol.dispose]() };
  } catch (error) {
    await fetching?.catch(() => {});
    blob[Symbol.dispose]();
    throw error;
  }
}

/** Downloads a plugin's WebAssembly. @throws AppError REGISTRY_…, DIGEST_MISMATCH, STORE_FAILED */
export async function download(
  { client, layout, reference, progress }: FetchOptions,
  plugin: PluginManifest,
  into: Incoming,
  started?: () => void,
): Promise<void> {
  // A failure of the disk is told as one: what else a sink throws would be taken for the connection's.
  const onDisk = (operation: () => void): void => {
    try {
      operation();
    } catch (error) {
      throw storeFailed(`Cannot write ${layout.stage}`, error);
    }
  };
  await client.fetchBlob(reference, plugin, () => {
    onDisk(() => into.restart());
    return (bytes) => onDisk(() => into.write(bytes));
  }, (bytes) => {
    started?.();
    progress?.(bytes, plugin.size);
  });
}

/** Compiles a plugin; what is wrong with it is told of its reference. @throws AppError WASM_INVALID, … */
export async function compileFor(
  { compile, reference }: FetchOptions,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Compiled> {
  try {
    return await compile(bytes);
  } catch (error) {
    if (
      error instanceof AppError &&
      ["WASM_INVALID", "TOO_LARGE", "PLUGIN_UNSUPPORTED", "COMPILE_FAILED"].includes(error.code)
    ) {
      throw new AppError(
        error.code,
        `Cannot install "${printable(formatReference(reference), 400)}": ${lowerFirst(error.message)}`,
        {
          ...(error.hint === undefined ? {} : { hint: error.hint }),
          cause: error,
        },
      );
    }
    throw error;
  }
}

/** No config is larger; what is, is not kept. */
const MAX_CONFIG = 1 << 20;

/** The artifact's config. A registry that has none left is no reason not to install. */
async function findConfig(
  { layout, client, reference }: FetchOptions,
  manifest: FetchedManifest,
): Promise<Uint8Array | undefined> {
  const config = configOf(manifest.text);
  if (!config || config.size > MAX_CONFIG) return undefined;
  const kept = readIntact(layout.blob(config.digest), config);
  if (kept) return kept;
  let chunks: Uint8Array<ArrayBuffer>[] = [];
  try {
    await client.fetchBlob(reference, config, () => {
      chunks = [];
      return (bytes) => chunks.push(bytes.slice());
    });
  } catch (error) {
    if (error instanceof AppError) return undefined;
    throw error;
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}
