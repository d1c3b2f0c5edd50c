/** The state and types that preview1's functions share. */

import type { Sandbox } from "../../sandbox/types.ts";
import { ERRNO, errnoOf, WasiError } from "../errno.ts";
import type { FileTree } from "../files/file_tree.ts";
import type { MaybePromise } from "../streams/streams.ts";
import type { Descriptors } from "./descriptors.ts";
import type { Memory } from "./memory.ts";

/** The host's state for one module. */
export interface Context {
  readonly sandbox: Sandbox;
  readonly memory: Memory;
  readonly descriptors: Descriptors;
  /** undefined for a module that imports no file function. */
  readonly tree: FileTree | undefined;
  /** The module can poll, so it may ask for nonblocking reads. */
  readonly waits: boolean;
  /** Some descriptors receive data from the network, which needs turns of the host's event loop. */
  readonly network: boolean;
}

/** The module's files. @throws WasiError bad-descriptor for a module without files, which has no descriptor of one */
export function treeOf({ tree }: Context): FileTree {
  if (!tree) throw new WasiError("bad-descriptor");
  return tree;
}

/** An errno; none is success. */
export type Errno = number;

export const SUCCESS = 0;

/** Functions by their name in preview1. Their errors become errnos. */
// deno-lint-ignore no-explicit-any -- each function has its own parameters, all numbers and bigints
export type Functions = Record<string, (...args: any[]) => MaybePromise<Errno | void>>;

/**
 * The function as the module calls it: it returns an errno. Nothing here reads the arguments, so the engine passes them
 * on unchanged: a million calls take half the time.
 *
 * @param fail the errno of an error
 */
export function returningErrno<A extends unknown[]>(
  run: (...args: A) => MaybePromise<Errno | void>,
  fail: (error: unknown) => Errno,
): (...args: A) => MaybePromise<Errno> {
  return (...args) => {
    try {
      const result = run(...args);
      if (result instanceof Promise) return result.then((errno) => errno ?? SUCCESS, fail);
      return result ?? SUCCESS;
    } catch (error) {
      return fail(error);
    }
  };
}

/** The errno of an operation's error, `fault` past the memory's end. Throws the host's own failures again. */
export function errnoNumber(error: unknown): Errno {
  if (error instanceof RangeError && !error.message.includes("stack")) return ERRNO.fault;
  return ERRNO[errnoOf(error)];
}
