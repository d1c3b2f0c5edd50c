/** What the functions of preview1 work on, and how they are written. */

import type { Sandbox } from "../../sandbox/types.ts";
import { WasiError } from "../errno.ts";
import type { FileTree } from "../files/file_tree.ts";
import type { MaybePromise } from "../streams/streams.ts";
import type { Descriptors } from "./descriptors.ts";
import type { Memory } from "./memory.ts";

/** One module's share of the host. */
export interface Context {
  readonly sandbox: Sandbox;
  readonly memory: Memory;
  readonly descriptors: Descriptors;
  /** Undefined for a module that imports no function of files. */
  readonly tree: FileTree | undefined;
  /** The module can poll, and so may ask for reads that do not wait. */
  readonly waits: boolean;
  /** It has descriptors that the network feeds, which takes turns of the host's event loop. */
  readonly network: boolean;
}

/** The files, of which only who has a descriptor of one asks. @throws WasiError bad-descriptor */
export function treeOf({ tree }: Context): FileTree {
  if (!tree) throw new WasiError("bad-descriptor");
  return tree;
}

/** An errno; none is success. */
export type Errno = number;

export const SUCCESS = 0;

/** Functions by their name in preview1. What they throw becomes their errno. */
// deno-lint-ignore no-explicit-any -- each function has its own parameters, all numbers and bigints
export type Functions = Record<string, (...args: any[]) => MaybePromise<Errno | void>>;
