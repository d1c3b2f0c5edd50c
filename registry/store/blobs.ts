/** The bytes of plugins, stored by digest. Plugins with the same digest share them. */

import type { Layout } from "../../runtime/store/layout.ts";
import { BINDGEN } from "../../runtime/store/bindgen.ts";
import { exists } from "../../runtime/base/host_path.ts";
import { readHistories } from "../../runtime/store/history.ts";
import { readReceipts } from "../../runtime/store/read.ts";
import type { CompiledFile, Receipt } from "../../runtime/store/receipt.ts";
import type { Compiled } from "../compile/compile.ts";
import { digestOf } from "../oci/digest.ts";
import { publish, storeFailed, syncDirectory, writeSynced } from "./disk.ts";
import { isIntact } from "./read_stripped.ts";

/** Reads a blob's bytes; undefined if it is missing or incomplete. */
export function readIntact(
  path: string,
  { digest, size }: { readonly digest: string; readonly size: number },
): Uint8Array<ArrayBuffer> | undefined {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    if (Deno.statSync(path).size !== size) return undefined;
    bytes = Deno.readFileSync(path);
  } catch {
    return undefined;
  }
  return bytes.length === size && digestOf(bytes) === digest ? bytes : undefined;
}

/**
 * Stores small bytes under their digest, unless they are stored already. The caller syncs the directory.
 *
 * @throws AppError STORE_FAILED
 */
export function writeBlob(layout: Layout, bytes: Uint8Array): string {
  const digest = digestOf(bytes);
  const path = layout.blob(digest);
  if (readIntact(path, { digest, size: bytes.length })) return digest;
  try {
    writeSynced(`${layout.stage}/small`, bytes, 0o600);
    Deno.renameSync(`${layout.stage}/small`, path);
  } catch (error) {
    throw storeFailed(`Cannot write ${path}`, error);
  }
  return digest;
}

/** A receipt's fields about the compiled form. */
export type CompiledForm = Pick<Receipt, "kind" | "compiled">;

/**
 * The compiled forms of a store, as its receipts describe them. Plugins share a form: compiling again would remove it
 * from under running plugins. Receipts are read when a form is looked up for the first time, and again if a form is
 * there that none of them described.
 */
export class CompiledForms {
  readonly #known = new Map<string, CompiledForm[]>();

  constructor(private readonly layout: Layout) {}

  /** An intact compiled form of this version's compiler. */
  find(digest: string): CompiledForm | undefined {
    const directory = this.layout.compiledDir(digest, BINDGEN);
    if (!exists(directory)) return undefined;
    const intact = () =>
      this.#known.get(digest)?.find(({ compiled }) => isCompiledIntact(directory, compiled));
    const known = intact();
    if (known) return known;
    this.#readReceipts();
    return intact();
  }

  #readReceipts(): void {
    this.#known.clear();
    const { receipts } = readReceipts(this.layout);
    const earlier = [...readHistories(this.layout).versions.values()].flat();
    for (const receipt of [...receipts, ...earlier]) if (receipt.bindgen === BINDGEN) this.add(receipt);
  }

  /** Adds a form that was written since. */
  add({ digest, kind, compiled }: CompiledForm & { readonly digest: string }): void {
    const forms = this.#known.get(digest) ?? [];
    const isSame = (form: CompiledForm) => JSON.stringify(form.compiled) === JSON.stringify(compiled);
    if (!forms.some(isSame)) this.#known.set(digest, [...forms, { kind, compiled }]);
  }
}

/** Whether a compiled form matches its receipt. */
export function isCompiledIntact(directory: string, files: readonly CompiledFile[]): boolean {
  return files.every((entry) => isIntact(`${directory}/${entry.file}`, entry));
}

/** Moves a compiled form into place, in one step. @throws AppError STORE_FAILED */
export function writeCompiled(layout: Layout, digest: string, compiled: Compiled): CompiledForm {
  const staged = `${layout.stage}/compiled`;
  const directory = layout.compiledDir(digest, BINDGEN);
  try {
    Deno.mkdirSync(staged, { mode: 0o700 });
    for (const { name, bytes } of compiled.files) writeSynced(`${staged}/${name}`, bytes, 0o600);
    syncDirectory(staged);
    // CompiledForms did not find it, so it has no receipt or is broken.
    const replaced = `${layout.stage}/replaced`;
    if (exists(directory)) Deno.renameSync(directory, replaced);
    publish(staged, directory);
    if (exists(replaced)) Deno.removeSync(replaced, { recursive: true });
  } catch (error) {
    throw storeFailed(`Cannot write ${directory}`, error);
  }
  return describeForm(compiled);
}

/** Describes a compiled form by the digests of its files. */
export function describeForm({ kind, files }: Compiled): CompiledForm {
  return {
    kind,
    compiled: files.map(({ name, bytes }) => ({ file: name, digest: digestOf(bytes), size: bytes.length })),
  };
}
