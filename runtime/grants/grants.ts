/**
 * The rights of a plugin beyond the defaults, as data: parsed once, from flags, a receipt or the policy. A plugin gets
 * nothing that is not granted here. Only `openSandbox` in sandbox.ts turns grants into a sandbox.
 */

import type { ClusterGrant, ClusterRule } from "../kube/allow/rules.ts";
import type { ListenGrant } from "./listen_grant.ts";

/** A file or directory of the host that a plugin may reach. */
export interface FileGrant {
  /** Absolute host path. */
  readonly host: string;
  /** The path in the plugin: absolute, and equal to the host's unless the grant maps it. */
  readonly guest: string;
  readonly write: boolean;
  /** Whether it is a directory, with everything below it; absent until the path is resolved. */
  readonly directory?: boolean;
  /**
   * Where `host` led when the user granted it: absolute, free of links (granted_path.ts). krew-wasm refuses a run if it
   * leads elsewhere. Absent until the path is resolved.
   */
  readonly real?: string;
}

/** Environment variables. `default`: all whose name does not suggest a credential; `all`; or only these names. */
export type EnvGrant = "default" | "all" | readonly string[];

/**
 * The kubeconfig: `true` is the real one in place of the redacted one. `switch`: what the plugin changes of contexts in the
 * redacted one is changed in the user's files.
 */
export type KubeconfigGrant = boolean | "switch";

/** Resource limits of a run. */
export interface Limits {
  /** Bytes of a plugin's linear memories. */
  readonly maxMemory: number;
  /** Files, directories and sockets open at the same time. */
  readonly descriptors: number;
}

/** What a plugin may not do. Denials take precedence over grants. */
export interface Denials {
  /** Absolute host paths: the plugin cannot see, read or change anything at or below them. */
  readonly read: readonly string[];
  /** Absolute host paths: the plugin cannot change anything at or below them. */
  readonly write: readonly string[];
  /** $HOME, as if listed in `read`. The plugin's private directory and the redacted kubeconfig stay. */
  readonly home: boolean;
  /** Environment variables. */
  readonly env: "all" | readonly string[];
  /** The real kubeconfig, and changes of contexts in it. */
  readonly kubeconfig: boolean;
  /** The whole cluster, or the requests that these rules cover. */
  readonly cluster: boolean | readonly ClusterRule[];
  /** Accepting connections. */
  readonly listen: boolean;
  /** Hide the terminal from the plugin. */
  readonly terminal: boolean;
  /** kubectl does not ask the plugin for completions. */
  readonly completion: boolean;
}

/** A plugin's grants. */
export interface Grants {
  readonly files: readonly FileGrant[];
  /** All of $HOME, read and write. */
  readonly home: boolean;
  readonly env: EnvGrant;
  readonly kubeconfig: KubeconfigGrant;
  readonly cluster: ClusterGrant;
  /** Accept connections from this machine. */
  readonly listen: ListenGrant;
  /** isatty() is true for real terminals; the plugin may read single keys and learn the size. */
  readonly terminal: boolean;
  /** The plugin may complete its arguments on Tab, if its artifact declares that it can. */
  readonly completion: boolean;
  readonly limits: Limits;
  /** Takes precedence over all of the above. */
  readonly deny: Denials;
}

/** Denies nothing. */
export const NO_DENIALS: Denials = {
  read: [],
  write: [],
  home: false,
  env: [],
  kubeconfig: false,
  cluster: false,
  listen: false,
  terminal: false,
  completion: false,
};

/** The most that wasm32 can address. */
export const DEFAULT_MAX_MEMORY = 4 * 2 ** 30;
/** The most descriptors that a plugin can have. */
export const DEFAULT_DESCRIPTORS = 16384;

/** The grants of every plugin. */
export const LEAST: Grants = {
  files: [],
  home: false,
  env: "default",
  kubeconfig: false,
  cluster: "full",
  listen: [],
  terminal: true,
  completion: true,
  limits: { maxMemory: DEFAULT_MAX_MEMORY, descriptors: DEFAULT_DESCRIPTORS },
  deny: NO_DENIALS,
};

/** The changes that flags ask for. An undefined field changes nothing. */
export interface GrantChange {
  readonly files: readonly FileGrant[];
  readonly home: boolean | undefined;
  readonly env: EnvGrant | undefined;
  readonly kubeconfig: KubeconfigGrant | undefined;
  readonly cluster: ClusterGrant | undefined;
  /** Rules to add to the cluster grant. If the plugin has full access, they replace it. */
  readonly rules: readonly ClusterRule[];
  readonly listen: ListenGrant | undefined;
  readonly terminal: boolean | undefined;
  readonly completion: boolean | undefined;
  readonly limits: Partial<Limits>;
  readonly deny: Denials;
}
