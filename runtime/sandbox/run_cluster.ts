/** The cluster of a run. Reads the kubeconfig and connects when the plugin first asks. */

import type { Cluster } from "../kube/cluster.ts";
import { placeOfText } from "../kube/config/places.ts";
import { makePlaceholderToken } from "../kube/config/redacted_arguments.ts";
import type { Preloaded } from "../kube/config/preload.ts";
import { readText } from "../kube/config/text_file.ts";
import type { ClusterAccess } from "../kube/open_cluster.ts";
import { printError } from "../run/error_report.ts";
import type { WhatIfRecord } from "../kube/what_if/what_if_cluster.ts";
import { printable } from "../base/text.ts";
import type { Broker } from "./broker/broker_client.ts";
import type { RestrictedRun } from "./kernel/restrict_run.ts";
import type { PermissionRequests } from "./permission_requests.ts";
import { giveUpRunning } from "./process_permissions.ts";
import type { RunRecord } from "./run_record.ts";
import type { RunUser } from "./sandbox_context.ts";

/** How far the process has given up its rights. give_up_rights.ts sets it, before the plugin's first instruction. */
export interface RightsLeft {
  /** The kubeconfig in memory; undefined as long as it can be read. */
  preloaded: Preloaded | undefined;
  /** Whether the process itself may start a credential plugin. */
  mayRun: boolean;
  broker: Broker | undefined;
  restricted: RestrictedRun | undefined;
}

/** What {@linkcode RunCluster} needs. */
export interface RunClusterContext extends RunUser {
  readonly plugin: string;
  readonly record: RunRecord;
  readonly permissionRequests: PermissionRequests;
  readonly rights: Readonly<RightsLeft>;
  readonly whatIf: WhatIfRecord | undefined;
  /** The plugin's version, from its artifact. */
  readonly version: string | undefined;
}

/** The cluster that a run's kubeconfig selects. */
export class RunCluster implements Disposable {
  #context: RunClusterContext;
  #access: Promise<ClusterAccess> | undefined;
  #opened: ClusterAccess | undefined;
  #redacted: Promise<Uint8Array> | undefined;
  #cluster: Promise<Cluster> | undefined;
  #token: string | undefined;

  constructor(context: RunClusterContext) {
    this.#context = context;
  }

  /** The token that the plugin sees in place of real ones. The same at each call. */
  placeholderToken(): string {
    return this.#token ??= makePlaceholderToken();
  }

  /** Reads a text file, from memory if it was preloaded. @throws as Deno.readTextFileSync */
  readFile(path: string): string {
    const { preloaded } = this.#context.rights;
    return preloaded ? preloaded.readFile(path) : readText(path);
  }

  /** The redacted kubeconfig. @throws AppError KUBECONFIG_INVALID, KUBECONFIG_UNREADABLE */
  redacted(): Promise<Uint8Array> {
    return this.#redacted ??= this.#open().then((access) => access.redacted());
  }

  /**
   * The cluster, which checks requests against the grants and records them. The same at each call.
   *
   * @throws AppError NO_CLUSTER, KUBECONFIG_…, CONTEXT_NOT_FOUND, CREDENTIALS_FAILED
   */
  cluster(): Promise<Cluster> {
    return this.#cluster ??= this.#connect();
  }

  [Symbol.dispose](): void {
    this.#opened?.close();
  }

  async #connect(): Promise<Cluster> {
    const { plugin, permissionRequests, record } = this.#context;
    const [access, { recordCluster }] = await Promise.all([
      this.#open(),
      import("../kube/http/recorded_requests.ts"),
    ]);
    const opened = await access.cluster();
    const { whatIf } = this.#context;
    const cluster = whatIf
      ? (await import("../kube/what_if/what_if_cluster.ts")).whatIfCluster(opened, whatIf)
      : opened;
    const { grant, deny, bound = "full" } = permissionRequests.cluster();
    if (grant === "full" && deny === false && bound === "full") return recordCluster(cluster, record);
    const { authorizeCluster } = await import("../kube/allow/authorize_request.ts");
    return recordCluster(
      authorizeCluster(
        cluster,
        plugin,
        () => permissionRequests.cluster(),
        (denied) => permissionRequests.askCluster(denied),
      ),
      record,
    );
  }

  #open(): Promise<ClusterAccess> {
    return this.#access ??= import("../kube/open_cluster.ts").then(({ openCluster }) => {
      const { variables, args, home, cwd, trace, rights, plugin, version } = this.#context;
      return this.#opened = openCluster({
        env: variables,
        args,
        home,
        cwd,
        trace,
        placeholderToken: () => this.placeholderToken(),
        helper: rights.broker?.credentials,
        plugin: { name: plugin, version },
        warn: (line) => printError(`krew-wasm: warning: ${printable(line, 1000)}\n`),
        readFile: (path) => this.readFile(path),
        ...(rights.preloaded ? { findProgram: rights.preloaded.findProgram } : {}),
        chosen: ({ exec, server }, proxy) => this.#narrow(exec !== undefined, proxy?.href ?? server),
      });
    });
  }

  /** Gives up what only other users and servers of the kubeconfig need. */
  #narrow(needsProgram: boolean, server: string): void {
    const { preloaded, mayRun, restricted } = this.#context.rights;
    if (preloaded && mayRun && !needsProgram) giveUpRunning();
    const place = placeOfText(server);
    if (place) restricted?.narrowTo(place.port);
  }
}
