/** Everything a plugin has: one value, made from its grants, from which every face of WASI is served. */

import type { ByteSink, ByteSource, MaybePromise } from "./wasi/streams.ts";
import type { Cluster } from "./kube/cluster.ts";

/** A file whose content the host makes up: it shows wherever the plugin reaches `host`, by any name. */
export interface Overlay {
  /** Absolute host path of the file it stands for; there may be none. */
  readonly host: string;
  /** The bytes the plugin sees. Read at most once a run. Throws AppError. */
  content(): MaybePromise<Uint8Array>;
}

/** A tree or a single file that the plugin sees. */
export interface Mount {
  /** Where the plugin sees it: an absolute path, or `.` for the directory the user stands in. */
  readonly guest: string;
  /** Absolute host path of the directory or file; it exists. */
  readonly host: string;
  readonly write: boolean;
  /**
   * When given, nothing of `host` (a directory) shows but these names, regular files among them
   * (a grant of one file) and overlays. New names can't be made.
   */
  readonly only?: readonly string[];
}

/** The files of a plugin. */
export interface Files {
  readonly mounts: readonly Mount[];
  readonly overlays: readonly Overlay[];
  /** Absolute real host paths: no operation changes what is at or below them, whatever is mounted… */
  readonly protectedPaths: readonly string[];
  /** …save at or below these (the plugin's private directory). */
  readonly unprotectedPaths: readonly string[];
}

/** Which of the standard streams are terminals. */
export interface Terminals {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

/** What a run of a plugin may reach, and nothing else. */
export interface Sandbox {
  /** argv, the program's name first. */
  readonly args: readonly string[];
  readonly env: readonly (readonly [name: string, value: string])[];
  /** Absolute path of the directory the user stands in, in the plugin's eyes. */
  readonly cwd: string;
  readonly stdin: ByteSource;
  readonly stdout: ByteSink;
  readonly stderr: ByteSink;
  readonly terminals: Terminals;
  readonly files: Files;
  /**
   * The cluster, connected on first use, the same one ever after.
   * @throws AppError NO_CLUSTER, KUBECONFIG_…, CONTEXT_NOT_FOUND, CREDENTIALS_FAILED
   */
  cluster(): Promise<Cluster>;
  /** One line for `-v`, already free of secrets. */
  trace(line: string): void;
}
