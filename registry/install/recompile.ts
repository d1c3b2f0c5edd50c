/** Compiles installed plugins again, with this version's compiler. */

import { AppError } from "../../runtime/base/errors.ts";
import { BINDGEN } from "../../runtime/store/bindgen.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import { readReceipt } from "../../runtime/store/read.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import { CompiledForms, writeCompiled } from "../store/blobs.ts";
import { writeReceipt } from "../store/commit.ts";
import { openForWriting } from "../store/open.ts";
import { isIntact, readStripped } from "../store/read_stripped.ts";
import type { Compile } from "./download.ts";

/** Compiles an installed plugin again from its stored WebAssembly. @throws AppError STORE_CORRUPT */
export async function recompilePlugin(
  layout: Layout,
  name: string,
  compile: Compile,
  notice?: (line: string) => void,
): Promise<Receipt> {
  using _lock = await openForWriting(layout, { task: `recompile ${name}`, notice });
  const receipt = readReceipt(layout, name);
  if (receipt.bindgen === BINDGEN) return receipt; // another process was faster
  return await compileAnew(layout, receipt, compile, new CompiledForms(layout));
}

/** Compiles a receipt's plugin unless the store has the form, and writes the receipt. Under the lock. */
export async function compileAnew(
  layout: Layout,
  receipt: Receipt,
  compile: Compile,
  forms: CompiledForms,
): Promise<Receipt> {
  const blob = layout.blob(receipt.digest);
  if (!isIntact(blob, receipt)) {
    throw new AppError("STORE_CORRUPT", `The stored WebAssembly of "${receipt.name}" is missing or changed`, {
      hint: `krew-wasm pull --force ${receipt.reference} --name ${receipt.name}`,
    });
  }
  const { digest } = receipt;
  const form = forms.find(digest) ?? writeCompiled(layout, digest, await compile(readStripped(blob)));
  forms.add({ ...form, digest });
  const renewed: Receipt = { ...receipt, ...form, bindgen: BINDGEN };
  writeReceipt(layout, renewed);
  return renewed;
}
