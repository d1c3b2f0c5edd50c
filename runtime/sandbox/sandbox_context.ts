/** What a sandbox is made from. */

import type { GrantChange, Grants } from "../grants/grants.ts";
import type { Layout } from "../store/layout.ts";
import type { WhatIfRecord } from "../kube/what_if/what_if_cluster.ts";
import type { BrokerContext } from "./broker/broker_context.ts";
import type { Administrator, Ask } from "./permission_request_types.ts";
import type { Streams } from "./types.ts";

/** What `openSandbox` needs. */
export interface SandboxContext {
  /** The plugin's name. */
  readonly name: string;
  /** Its version, from its artifact. */
  readonly version?: string | undefined;
  /** argv, the program's name first. */
  readonly args: readonly string[];
  readonly grants: Grants;
  readonly layout: Layout;
  /** Whether the plugin is installed and so has a lasting private directory. */
  readonly installed: boolean;
  /** The directory of its compiled form. It stays readable, because a crash report reads the names of functions. */
  readonly code?: string;
  readonly verbose: boolean;
  /** Asks for missing grants; without it, they are refused. */
  readonly ask?: Ask | undefined;
  /** Replaces the process's own streams; none of these is a terminal. */
  readonly streams?: Streams | undefined;
  readonly administrator?: Administrator | undefined;
  /** The administrator's bounds in the form for the broker. */
  readonly bounds?: BrokerContext["bounds"];
  /** Who requires the kernel's restrictions, which this system may lack. */
  readonly requiredBy?: string | undefined;
  /** Record each request to the cluster, whatever the environment says. */
  readonly recordRequests?: boolean;
  /** Change nothing on the cluster, and collect what would change (runtime/kube/what_if/). */
  readonly whatIf?: WhatIfRecord | undefined;
  /** Writes a lasting grant to the receipt. */
  readonly keep?: ((change: GrantChange) => Promise<void>) | undefined;
}

/** The user of a run. */
export interface RunUser {
  /** The user's environment. */
  readonly variables: Readonly<Record<string, string>>;
  /** The plugin's arguments without its name. */
  readonly args: readonly string[];
  /** The user's home directory, absolute. */
  readonly home: string;
  /** The current directory, absolute. */
  readonly cwd: string;
  /** Prints a line for `-v`. */
  readonly trace: (line: string) => void;
}
