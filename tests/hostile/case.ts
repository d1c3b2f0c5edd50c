/** What a hostile plugin tries, and what it must get. Data, from which the tests and the table of docs/security.md are made. */

import type { Stage } from "./stage.ts";

/** How a plugin is run. */
export type Form = "preview1" | "component";

/** One thing that is tried. */
export interface Case {
  /** What the plugin tries, as the end of a sentence. */
  readonly tries: string;
  /** What it was granted: flags of `krew-wasm run`; without them it runs as kubectl starts it. */
  readonly granted?: string;
  /**
   * What it must see: its output, lines parted by `; `. A line that is `refused` stands for any
   * errno that says no; `refused` alone for one such line or more; one that ends in `…` for what begins so.
   * Where a component sees something else, `component` says what; false: it can't be tried there.
   */
  readonly sees: string;
  readonly component?: string | false;
  /** Instead of {@linkcode sees} in the table, where that says little to a reader. */
  readonly shown?: string;
  /** Operations of tests/fixtures/attack.c, a list of words; `$NAME`s of the stage are replaced. */
  readonly attack?: readonly string[];
  /** The fixture with the network interface of 2022; a component tries the same by wasi:http and krew-wasm:kubernetes. */
  readonly network?: boolean;
  /** Makes the scene: files of the host as an attacker might find or wish them. */
  readonly prepare?: (stage: Stage) => void;
  /** Puts right what {@linkcode prepare} changed beside the directory that is made anew for each case. */
  readonly cleanUp?: (stage: Stage) => void;
  /** Checks more of the host afterwards. */
  readonly check?: (stage: Stage, form: Form) => void | Promise<void>;
  /** Paths with `$NAME`s that may be other afterwards. All else of the stage's files must be as before. */
  readonly changes?: readonly string[];
  /** `METHOD /path` of each request that reaches the API server. */
  readonly requests?: readonly string[];
  /** Further ones that a door may make of it which puts URLs right by itself, to no harm. */
  readonly putRight?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** The exit code where it is neither 0 nor 1. */
  readonly code?: number;
  /** It holds only where the kernel resolves paths beneath a directory (docs/files.md). */
  readonly kernelOnly?: boolean;
  /** In place of `attack`: acts on the host's side or in another way, and returns what was seen. */
  readonly run?: (stage: Stage, form: Form) => Promise<string>;
  /** Needs a program or right that is not everywhere; says why it is left out. */
  readonly skip?: () => string | undefined;
}

/** A group of cases under a heading of the table. */
export interface Group {
  readonly title: string;
  readonly cases: readonly Case[];
}

/** Errors that say no. Which one is a matter of what lies at a path, and no leak: all say the same of what is not granted. */
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
