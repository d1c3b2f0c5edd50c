/**
 * Downloads and compiles the parts of an artifact that the store does not have. Works without the store's lock, so that
 * other commands can continue.
 */

import { AppError } from "../../runtime/base/errors.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import { lowerFirst, printable } from "../../runtime/base/text.ts";
import type { FetchedManifest, RegistryClient } from "../oci/registry_client.ts";
import type { Compiled } from "../compile/compile.ts";
import { configOf, type PluginManifest } from "../oci/manifest.ts";
import { formatReference, type Reference } from "../oci/mirrored_reference.ts";
import { type CompiledForms, readIntact } from "../store/blobs.ts";
import { storeFailed } from "../store/disk.ts";
import { lockDownload } from "../store/download_lock.ts";
import { Incoming } from "../store/incoming.ts";
import { isIntact, readStrippedFrom } from "../store/read_stripped.ts";

/** Compiles a plugin. */
export type Compile = (bytes: Uint8Array<ArrayBuffer>) => Promise<Compiled>;

/** A source of artifacts: a registry or a bundle. */
export type ArtifactSource = Pick<RegistryClient, "fetchManifest" | "fetchBlob">;

/** Shows the progress of downloads. */
export interface DownloadProgress {
  /** Called with the bytes of the download so far and in all. */
  show(bytes: number, total: number): void;
  /** Called before a step that may take long, such as compiling `size` bytes. */
  step?(doing: string, size: number): void;
  end(): void;
}

/** Options for fetching. */
export interface FetchOptions {
  readonly layout: Layout;
  /** The compiled forms that the store has. */
  readonly forms: CompiledForms;
  readonly reference: Reference;
  readonly client: ArtifactSource;
  /** Replaces the compiler, for tests. */
  readonly compile?: Compile;
  readonly progress?: DownloadProgress;
  /** Prints a line of status. */
  readonly notice?: (line: string) => void;
}

/** The fetched parts. Until it is disposed, other processes wait for these bytes. Dispose it to free the files, too. */
export interface Fetched extends Disposable {
  /** The WebAssembly; undefined if the store has it. */
  readonly blob: Incoming | undefined;
  /** The compiled form; undefined if the store has it, or has the WebAssembly. */
  readonly compiled: Compiled | undefined;
  /** The artifact's config, for the store; undefined if there is none to keep. */
  readonly config: Uint8Array | undefined;
  /** Lets other processes download the same bytes now. */
  release(): void;
}

/** Fetches what the store does not have. @throws AppError REGISTRY_…, DIGEST_MISMATCH, WASM_INVALID, …, STORE_FAILED */
export async function fetchArtifact(
  options: FetchOptions,
  manifest: FetchedManifest,
  plugin: PluginManifest,
): Promise<Fetched> {
  const { layout } = options;
  // The config is small. It is fetched once the WebAssembly arrives, and during the compilation.
  let fetching: Promise<Uint8Array | undefined> | undefined;
  const fetchConfig = () => {
    if (!fetching) {
      fetching = findConfig(options, manifest);
      fetching.catch(() => {}); // the await below reports it
    }
    return fetching;
  };
  const isStored = () => isIntact(layout.blob(plugin.digest), plugin);
  const stored = async (): Promise<Fetched> => {
    const config = await fetchConfig();
    return { blob: undefined, compiled: undefined, config, release() {}, [Symbol.dispose]() {} };
  };
  if (isStored()) return await stored();
  const lock = await lockFor(options, manifest, plugin);
  let blob: Incoming | undefined;
  const close = () => {
    blob?.[Symbol.dispose]();
    lock?.[Symbol.dispose]();
  };
  try {
    if (isStored()) {
      // Another process has just downloaded it.
      lock?.[Symbol.dispose]();
      return await stored();
    }
    blob = Incoming.open(layout);
    if (!options.compile) loadCompiler().catch(() => {}); // while the plugin downloads
    await download(options, plugin, blob, fetchConfig);
    const compiled = options.forms.find(plugin.digest)
      ? undefined
      : await compileFor(options, readStrippedFrom(blob.file));
    const config = await fetchConfig();
    return { blob, compiled, config, release: () => lock?.[Symbol.dispose](), [Symbol.dispose]: close };
  } catch (error) {
    await fetching?.catch(() => {});
    close();
    throw error;
  }
}

/** Waits for another process that downloads the same. undefined for a bundle: its bytes are on this machine. */
async function lockFor(
  { layout, reference, notice }: FetchOptions,
  manifest: FetchedManifest,
  plugin: PluginManifest,
): Promise<Disposable | undefined> {
  if (manifest.source?.kind === "bundle") return undefined;
  const source = `${reference.registry}/${reference.repository}@${plugin.digest}`;
  return await lockDownload(layout, source, `pull ${formatReference(reference)}`, (line) => notice?.(line));
}

/** Downloads a plugin's WebAssembly. @throws AppError REGISTRY_…, DIGEST_MISMATCH, STORE_FAILED */
export async function download(
  { client, layout, reference, progress }: FetchOptions,
  plugin: PluginManifest,
  into: Incoming,
  started?: () => void,
): Promise<void> {
  // A plain error from a sink would be reported as a connection failure, so disk errors get their own code.
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
    progress?.show(bytes, plugin.size);
  });
}

/** Loading the compiler takes longer than most commands. */
const loadCompiler = () => import("../compile/compile.ts");

const compilePlugin: Compile = async (bytes) => await (await loadCompiler()).compilePlugin(bytes);

/** Compiles a plugin. Errors name its reference. @throws AppError WASM_INVALID, … */
export async function compileFor(
  { compile = compilePlugin, reference, progress }: FetchOptions,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Compiled> {
  progress?.end();
  progress?.step?.("Compiling", bytes.length);
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
          hint: error.hint,
          cause: error,
        },
      );
    }
    throw error;
  } finally {
    progress?.end();
  }
}

/** The largest config to keep. Bytes. */
const MAX_CONFIG = 1 << 20;

/** The artifact's config. A missing config does not stop the installation. */
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
