/** One attack of a hostile plugin, and the required outcome. The tests and the table of docs/security.md use this data. */

import type { Stage } from "./stage.ts";

/** The form of a plugin. */
export type Form = "preview1" | "component";

/** One attack. */
export interface Case {
  /** The attempt, as the end of a sentence. */
  readonly tries: string;
  /** The grant flags of `krew-wasm run`. Without them the plugin runs as kubectl starts it. */
  readonly granted?: string;
  /**
   * The required output, with lines separated by `; `. A line `refused` stands for any refusing errno; `refused` alone for
   * one such line or more; a line that ends in `…` for its beginning. `component` has the output of a component if that
   * differs; false if a component cannot try it.
   */
  readonly sees: string;
  readonly component?: string | false;
  /** Replaces {@linkcode sees} in the table if that says little to a reader. */
  readonly shown?: string;
  /** Operations of tests/fixtures/attack.c, a list of words. `$NAME` is replaced by a value of the stage. */
  readonly attack?: readonly string[];
  /**
   * Uses the fixture with the network interface of 2022. A component tries the same by wasi:http and krew-wasm:kubernetes.
   */
  readonly network?: boolean;
  /** Prepares files of the host as an attacker might find them. */
  readonly prepare?: (stage: Stage) => void;
  /** Restores what {@linkcode prepare} changed outside of the directory that is new for each case. */
  readonly cleanUp?: (stage: Stage) => void;
  /** Further checks of the host after the attack. */
  readonly check?: (stage: Stage, form: Form) => void | Promise<void>;
  /** Paths, with `$NAME`s, that may change. All other files of the stage must stay the same. */
  readonly changes?: readonly string[];
  /** `METHOD /path` of each request that reaches the API server. */
  readonly requests?: readonly string[];
  /** Requests that may also arrive, from an interface that corrects the URL without harm. */
  readonly putRight?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** The exit code if it is neither 0 nor 1. */
  readonly code?: number;
  /** The case applies only if the kernel resolves paths below a directory (docs/files.md). */
  readonly kernelOnly?: boolean;
  /** Runs instead of `attack`: acts on the host, or in another way, and returns the output. */
  readonly run?: (stage: Stage, form: Form) => Promise<string>;
  /** Says why the case is skipped, if a program or right is missing. */
  readonly skip?: () => string | undefined;
}

/** A group of cases below a heading of the table. */
export interface Group {
  readonly title: string;
  readonly cases: readonly Case[];
}

/** Errors that count as a refusal. Which one depends on the path and leaks nothing: all ungranted files answer the same. */
export const REFUSALS: ReadonlySet<string> = new Set([
  ...[
    "EPERM",
    "EACCES",
    "ENOTCAPABLE",
    "ENOENT",
    "EROFS",
    "ELOOP",
    "EXDEV",
    "ENOTDIR",
    "EBADF",
    "EBUSY",
    "EINVAL",
    "EEXIST",
  ],
]);
