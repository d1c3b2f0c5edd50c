/** The host's side of a preview1 module over a fake file tree. */

import type { FileTree } from "../../runtime/wasi/files/file_tree.ts";
import { FILE_RIGHTS } from "../../runtime/wasi/p1/abi.ts";
import { Descriptors } from "../../runtime/wasi/p1/descriptors.ts";
import { Memory } from "../../runtime/wasi/p1/memory.ts";
import type { Context } from "../../runtime/wasi/p1/p1_context.ts";
import { testSandbox } from "./components.ts";
import { FakeFile, fakeTree } from "./fake_tree.ts";

/** Descriptors: a writable directory, a read-only one, and a file. */
export const WRITABLE = 3;
export const READ_ONLY = 4;
export const FILE = 5;

/** A context with those descriptors and 32 KiB of memory. `hasTree`: false for a module without file functions. */
export function p1Context(answers: Partial<FileTree> = {}, file = new FakeFile(), hasTree = true) {
  const fake = fakeTree(answers);
  const bytes = new Uint8Array(32768);
  const view = new DataView(bytes.buffer);
  const sandbox = testSandbox();
  const descriptors = new Descriptors(sandbox, fake.tree);
  descriptors.insert({ node: file, base: FILE_RIGHTS, inheriting: 0n, flags: 0, offset: 0n });
  const context: Context = {
    sandbox,
    memory: new Memory({ bytes: () => bytes, view: () => view, exports: {} }),
    descriptors,
    tree: hasTree ? fake.tree : undefined,
    waits: true,
    network: false,
  };
  return { ...fake, bytes, view, descriptors, context, file };
}
