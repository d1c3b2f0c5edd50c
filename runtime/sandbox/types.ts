/** What a run of a plugin may reach, as the rest of the runtime sees it. `sandbox.ts` makes it from the grants. */

import type { Limits } from "../grants/grants.ts";
import type { Cluster } from "../kube/cluster.ts";
import type { ByteSink, ByteSource, MaybePromise } from "../wasi/streams/streams.ts";
import type { StdinSource } from "../wasi/streams/stdio.ts";
import type { TerminalControl } from "../wasi/terminal/raw_terminal.ts";
import type { Json } from "./broker/channel.ts";
import type { Fields } from "./broker/fields.ts";
import type { Uses } from "./process_permissions.ts";
import type { RunRecord } from "./run_record.ts";

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
  /** Absolute host path of the directory, free of links. */
  readonly host: string;
  readonly write: boolean;
  /**
   * When given, nothing of `host` (a directory) shows but these names, regular files among them
   * (a grant of one file) and overlays. New names can't be made.
   */
  readonly only?: readonly string[];
  /** A directory may be made of such a name: a person has granted just that. */
  readonly makesDirectory?: boolean;
  /** What such a name is on the host, where it is another: a granted link's file, or that of `HOST::GUEST`. */
  readonly names?: ReadonlyMap<string, string>;
  /** The paths that were granted, absolute, which lead to `host`, or to files in it, by links. */
  readonly through?: readonly string[];
}

/** The files of a plugin. */
export interface Files {
  readonly mounts: readonly Mount[];
  readonly overlays: readonly Overlay[];
  /**
   * Absolute host paths, as people write them: no operation changes what is at or below them, nor the way to it, whatever is
   * mounted (wasi/protection.ts)…
   */
  readonly protectedPaths: readonly string[];
  /** …save at or below these (the plugin's private directory), which no denial touches either. */
  readonly unprotectedPaths: readonly string[];
  /** What is at or below these host paths is not there for the plugin, overlays excepted. */
  readonly deniedPaths?: readonly string[];
  /** What is at or below these host paths can't be changed. */
  readonly deniedWrites?: readonly string[];
  /** Who opens what the kernel refuses to this process, once it does (wasi/files_outside.ts). */
  readonly outside?: { calls: FileCalls | undefined };
  /** Who is asked for files outside of all mounts; without it, they are not there. */
  readonly requests?: FileRequests | undefined;
}

/** Decides about files that are not granted. */
export interface FileRequests {
  /** The directory the user stands in, absolute, on the host. */
  readonly cwd: string;
  /** The most files and directories open at a time. */
  readonly descriptors: number;
  /** Whether a path of the host, which is there or could be made, may be reached after all. */
  ask(asked: AskedFile): "no" | "once" | "stay";
}

/** A file or directory that a plugin asks for and that is not granted. */
export interface AskedFile {
  readonly kind: "read" | "write";
  /** Absolute, on the host. */
  readonly path: string;
  /** Where that leads, free of links. */
  readonly real: string;
  /** Whether a directory is there. */
  readonly directory: boolean;
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
  /** `share`: from now on reads leave the thread to what goes on beside them. */
  readonly stdin: ByteSource & { readonly shared?: boolean; share?(): void };
  readonly stdout: ByteSink;
  readonly stderr: ByteSink;
  readonly terminals: Terminals;
  /**
   * The terminal that stdin is. Opened before {@linkcode giveUp}, by what imports it.
   */
  terminal(): Promise<TerminalControl>;
  readonly files: Files;
  readonly limits: Limits;
  /** Where refusals are written down. */
  readonly record: RunRecord;
  /**
   * The cluster, connected on first use, the same one ever after.
   * @throws AppError NO_CLUSTER, KUBECONFIG_…, CONTEXT_NOT_FOUND, CREDENTIALS_FAILED
   */
  cluster(): Promise<Cluster>;
  /** One line for `-v`, already free of secrets. */
  trace(line: string): void;
  /**
   * Gives up, for the rest of the process, what a program with these uses has no need of (wall.ts, kernel/). Called once,
   * when all it needs is loaded and open, before its first instruction.
   *
   * @param tree its open files
   */
  giveUp(uses: Uses, tree: OpenFiles | undefined): Promise<void>;
}

/** Standard streams of a plugin. */
export interface Streams {
  readonly stdin: StdinSource;
  readonly stdout: ByteSink;
  readonly stderr: ByteSink;
}

/** Who opens what this process can't. */
export interface FileCalls {
  /** Opens a tree that a person granted; returns its number. @throws AppError GRANT_INVALID */
  mount(mount: Mount): number;
  /** An operation on what is open there. @throws WasiError */
  call(name: string, message: Readonly<Record<string, Json>>): {
    readonly fields: Fields;
    readonly files: readonly number[];
  };
}

/** What {@linkcode Sandbox.giveUp} has to know of the plugin's files, which are open by then. */
export interface OpenFiles {
  /** Open directories of the mounts, in their order, where the system knows files by such. */
  readonly descriptors: readonly number[] | undefined;
  /** Looks at what is asked for later, before the process gives up looking. */
  lookAhead(): void;
}
