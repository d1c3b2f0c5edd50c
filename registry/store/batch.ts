/**
 * The changes of one command that installs or removes several plugins. Each change takes the lock by itself, so that
 * other commands need not wait for downloads. The store is swept once, at the end.
 */

import type { Layout } from "../../runtime/store/layout.ts";
import { CompiledForms } from "./blobs.ts";
import { openForWriting, type OpenOptions, type PendingSweep } from "./open.ts";

/** See above. Dispose it to sweep the store. */
export class StoreBatch implements AsyncDisposable, PendingSweep {
  due = false;
  readonly forms: CompiledForms;

  /** @param options the task of the sweep, for waiting processes */
  constructor(private readonly layout: Layout, private readonly options: Omit<OpenOptions, "batch">) {
    this.forms = new CompiledForms(layout);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.due) return;
    this.due = false;
    try {
      (await openForWriting(this.layout, this.options))[Symbol.dispose]();
    } catch { /* the changes are made; the next command that writes sweeps */ }
  }
}
