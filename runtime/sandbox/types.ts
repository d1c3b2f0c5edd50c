/** What a run of a plugin may reach, for the rest of the runtime. `sandbox.ts` makes it from the grants. */

import type { Limits } from "../grants/grants.ts";
import type { Cluster } from "../kube/cluster.ts";
import type { ByteSink, ByteSource, MaybePromise } from "../wasi/streams/streams.ts";
import type { LoopbackListener } from "../wasi/loopback_listener.ts";
import type { StdinSource } from "../wasi/streams/stdio.ts";
import type { TerminalControl } from "../wasi/terminal/raw_terminal.ts";
import type { Json } from "./broker/channel.ts";
import type { Fields } from "./broker/fields.ts";
import type { Uses } from "./process_permissions.ts";
import type { RunRecord } from "./run_record.ts";

/** A file with content from the host. It shows wherever the plugin reaches `host`, by any name. */
export interface Overlay {
  /** Absolute host path of the replaced file, which may not exist. */
  readonly host: string;
  /** The bytes that the plugin sees. Read at most once a run. Throws AppError. */
  content(): MaybePromise<Uint8Array>;
}

/** A directory or a single file that the plugin sees. */
export interface Mount {
  /** The path in the plugin: absolute, or `.` for the user's current directory. */
  readonly guest: string;
  /** Absolute host path of the directory, free of links. */
  readonly host: string;
  readonly write: boolean;
  /**
   * If present, only these names of `host` (a directory) show, which are regular files (a grant of one file), and overlays.
   * The plugin cannot create other names.
   */
  readonly only?: readonly string[];
  /** The plugin may create a directory of such a name, because a person granted exactly that. */
  readonly makesDirectory?: boolean;
  /** The host's name for such a name, if it differs: the target of a granted link, or the file of `HOST::GUEST`. */
  readonly names?: ReadonlyMap<string, string>;
  /** The granted paths, absolute, that lead by links to `host`, or to files in it. */
  readonly through?: readonly string[];
}

/** The files of a plugin. */
export interface Files {
  readonly mounts: readonly Mount[];
  readonly overlays: readonly Overlay[];
  /**
   * Absolute host paths, as people write them. No operation changes anything at or below them, nor the way to them,
   * whatever is mounted (wasi/files/protection.ts). {@linkcode unprotectedPaths} are exceptions.
   */
  readonly protectedPaths: readonly string[];
  /** Exceptions to `protectedPaths` (the plugin's private directory). No denial affects them either. */
  readonly unprotectedPaths: readonly string[];
  /** The plugin sees nothing at or below these host paths, except overlays. */
  readonly deniedPaths?: readonly string[];
  /** The plugin cannot change anything at or below these host paths. */
  readonly deniedWrites?: readonly string[];
  /** The broker's file calls, for files that the kernel refuses to this process (wasi/files/broker_tree.ts). */
  readonly outside?: { calls: FileCalls | undefined };
  /** Files where kubectl keeps its own (wasi/files/kubeconfig_tree.ts). */
  readonly kube?: KubeFiles | undefined;
  /** Asks for files outside of all mounts. Without it, these files do not exist for the plugin. */
  readonly requests?: FileRequests | undefined;
}

/** What a plugin finds where kubectl keeps its files. Paths are the plugin's, absolute. */
export interface KubeFiles {
  /** The redacted kubeconfig; undefined if there is none that may be written. */
  readonly kubeconfig: string | undefined;
  /** ~/.kube; undefined if the plugin may write the real one. */
  readonly home: string | undefined;
  /** The private directory, in which `kube` serves for parts of ~/.kube; undefined if the plugin does not get it. */
  readonly private: string | undefined;
  /** The user's current directory. */
  readonly cwd: string;
  /** Called once, before the plugin's first change. @throws AppError KUBECONFIG_INVALID, KUBECONFIG_UNREADABLE */
  writable(): Promise<WritableKubeconfig>;
}

/** The kubeconfig of a plugin that writes it. */
export interface WritableKubeconfig {
  /** What the plugin read. */
  readonly before: Uint8Array;
  /** Makes the changes of a complete kubeconfig in the user's files. @throws WasiError if it is refused */
  written(content: Uint8Array): void;
  /** Records that the plugin tried something else, as in "was not allowed to …". */
  refuse(what: string): void;
  /** Called when the plugin has ended: it may have left the kubeconfig open. */
  atEnd?: () => void;
}

/** Decides about ungranted files. */
export interface FileRequests {
  /** The user's current directory, absolute, on the host. */
  readonly cwd: string;
  /** The most files and directories open at a time. */
  readonly descriptors: number;
  /** Asks whether the plugin may reach a host path, which exists or could be created. */
  ask(asked: AskedFile): "no" | "once" | "stay";
}

/** A file or directory that a plugin asks for and that is not granted. */
export interface AskedFile {
  readonly kind: "read" | "write";
  /** Absolute, on the host. */
  readonly path: string;
  /** The target of that path, free of links. */
  readonly real: string;
  /** Whether the target is a directory. */
  readonly directory: boolean;
}

/** A listener that a plugin asks for and that is not granted. */
export interface AskedListener {
  /** 127.0.0.1 or ::1 */
  readonly address: string;
  /** 0 for a port that the system chooses. */
  readonly port: number;
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
  /** Absolute path of the user's current directory, in the plugin. */
  readonly cwd: string;
  /** `share`: from now on reads let other work of this thread continue. */
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
  /** Records refusals. */
  readonly record: RunRecord;
  /**
   * The cluster. Connects on first use and returns the same one afterwards.
   *
   * @throws AppError NO_CLUSTER, KUBECONFIG_…, CONTEXT_NOT_FOUND, CREDENTIALS_FAILED
   */
  cluster(): Promise<Cluster>;
  /**
   * Opens a listener on loopback, if a grant covers its port or a person allows it. The kernel already accepts connections.
   *
   * @param address canonical
   * @throws AppError LISTEN_REFUSED; the error of the operating system
   */
  listen(address: string, port: number): LoopbackListener;
  /** One line for `-v`, already free of secrets. */
  trace(line: string): void;
  /**
   * Gives up, for the rest of the process, the rights that a program with these uses does not need (process_permissions.ts,
   * kernel/). Called once, before the first instruction, when everything is loaded and open.
   *
   * @param tree the plugin's open files
   */
  giveUp(uses: Uses, tree: OpenFiles | undefined): Promise<void>;
}

/** Standard streams of a plugin. */
export interface Streams {
  readonly stdin: StdinSource;
  readonly stdout: ByteSink;
  readonly stderr: ByteSink;
}

/** Opens files that this process cannot open. */
export interface FileCalls {
  /** Opens a directory that a person granted; returns its number. @throws AppError GRANT_INVALID */
  mount(mount: Mount): number;
  /** Performs an operation on an open directory or file. @throws WasiError */
  call(name: string, message: Readonly<Record<string, Json>>): {
    readonly fields: Fields;
    readonly files: readonly number[];
  };
}

/** The plugin's open files, for {@linkcode Sandbox.giveUp}. */
export interface OpenFiles {
  /** The open directories of the mounts, in order, if the system uses such. */
  readonly descriptors: readonly number[] | undefined;
  /** Reads files for later use, before the process gives up the right to read. */
  lookAhead(): void;
}
