/** Builds the sandbox of a run from its grants. All WASI interfaces use this one value. */

import { environment } from "../base/environment.ts";
import { guestPath, hostPath } from "../base/host_path.ts";
import { printable } from "../base/text.ts";
import { withKubeconfig, withoutSecrets } from "../kube/config/redacted_arguments.ts";
import { printError } from "../run/error_report.ts";
import { homeDirectory } from "../store/layout.ts";
import { WithheldVariables } from "./withheld_variables.ts";
import { stderrSink, stdinSource, stdoutSink } from "../wasi/streams/stdio.ts";
import { giveUpRights } from "./give_up_rights.ts";
import { kernelCalls } from "./kernel/restrict_run.ts";
import { openListener } from "./open_listener.ts";
import { PermissionRequests } from "./permission_requests.ts";
import { pluginEnvironment } from "./plugin_environment.ts";
import { pluginFiles } from "./plugin_files.ts";
import { PluginTerminal, terminalsOf } from "./plugin_terminal.ts";
import { KubeconfigChanges } from "./kubeconfig_changes.ts";
import { kubeconfigOverlays, type PluginKubeconfig, pluginKubeconfig } from "./plugin_kubeconfig.ts";
import { closePrivateDirectory, openPrivateDirectory } from "./private_directory.ts";
import { type RightsLeft, RunCluster } from "./run_cluster.ts";
import { RunRecord } from "./run_record.ts";
import type { RunUser, SandboxContext } from "./sandbox_context.ts";
import type { Files, Sandbox, Streams } from "./types.ts";

/** A sandbox that can be closed. */
export interface OpenSandbox extends Sandbox, Disposable {
  readonly permissionRequests: PermissionRequests;
  /** A line for a failed run that names held-back variables; undefined otherwise. */
  withheldHint(): string | undefined;
  /** Whether the plugin changed its kubeconfig in a way that was not made in the user's. Called once it has ended. */
  losesChanges(): boolean;
  /** Waits until lasting grants are saved. @throws AppError STORE_… */
  settle(): Promise<void>;
}

/**
 * Turns grants into a sandbox: files, environment and cluster of one run. No other function does. Reads nothing of the
 * cluster or the kubeconfig before the plugin asks.
 *
 * @throws AppError GRANT_INVALID, STORE_FAILED
 */
export function openSandbox(context: SandboxContext): OpenSandbox {
  const parts = openParts(context);
  const { user, own, kubeconfig, files, rights, grants, record, permissionRequests, cluster } = parts;
  const streams = context.streams ?? standardStreams(context, parts.variables);
  const terminals = terminalsOf(grants.terminal && context.streams === undefined);
  const terminal = new PluginTerminal(terminals.stdin, streams);
  return {
    permissionRequests,
    args: argumentsOf(context.args, grants.kubeconfig === true, kubeconfig, cluster),
    env: parts.env,
    cwd: guestPath(user.cwd),
    ...streams,
    terminals,
    terminal: () => terminal.open(),
    files,
    limits: grants.limits,
    record,
    cluster: () => cluster.cluster(),
    listen: (address, port) => openListener(address, port, (asked) => permissionRequests.mayListen(asked)),
    trace: user.trace,
    giveUp: (uses, tree) =>
      giveUpRights({ context, user, own, kubeconfig, files, rights, grants }, uses, tree),
    withheldHint: () => parts.variables.hint(context.name, context.installed ? undefined : context.args[0]),
    losesChanges: () => parts.changes.finish(),
    async settle() {
      rights.broker?.settle();
      await permissionRequests.settle();
    },
    [Symbol.dispose]() {
      terminal.close(); // restore the terminal before printing
      record.close();
      cluster[Symbol.dispose]();
      closePrivateDirectory(own, user.trace);
    },
  };
}

/** What a sandbox consists of: makes each part from the grants. */
function openParts(context: SandboxContext) {
  const user = userOf(context);
  const record = recordOf(context, user);
  const permissionRequests = requestsOf(context, user, record);
  const { grants } = permissionRequests;
  const own = openPrivateDirectory(context);
  const kubeconfig = pluginKubeconfig(user, own.path);
  const { env, withheld } = pluginEnvironment({
    ...user,
    grants,
    own: own.path,
    kubeconfig: kubeconfig.shown,
    hostname: user.variables.HOSTNAME === undefined ? hostname() : undefined,
  });
  if (withheld.length > 0) user.trace(`held back from the plugin's environment: ${withheld.join(", ")}`);
  const rights: RightsLeft = { preloaded: undefined, mayRun: true, broker: undefined, restricted: undefined };
  const cluster = new RunCluster({
    ...user,
    plugin: context.name,
    record,
    permissionRequests,
    rights,
    whatIf: context.whatIf,
    version: context.version,
  });
  const changes = new KubeconfigChanges({ kubeconfig, cluster, permissionRequests, rights });
  return {
    ...{ user, record, permissionRequests, grants, own, kubeconfig, rights, cluster, changes },
    files: filesOf(context, user, { permissionRequests, own: own.path, kubeconfig, cluster, changes }),
    env: [...env],
    variables: new WithheldVariables(withheld, [...env.keys()], typeof grants.env !== "string"),
  };
}

function userOf({ args, verbose }: SandboxContext): RunUser {
  const variables = environment();
  return {
    variables,
    args: args.slice(1),
    home: homeDirectory((name) => variables[name]),
    cwd: hostPath(Deno.cwd()),
    trace(line) {
      if (verbose) printError(`krew-wasm: ${printable(line, 4000)}\n`);
    },
  };
}

/** This machine's name. Some containers do not permit to ask. */
function hostname(): string | undefined {
  try {
    return Deno.hostname();
  } catch {
    return undefined;
  }
}

function recordOf({ layout, name, recordRequests }: SandboxContext, { variables }: RunUser): RunRecord {
  return new RunRecord(
    layout.log,
    name,
    variables.KREW_WASM_LOG === "requests" || (recordRequests ?? false),
  );
}

function requestsOf(
  context: SandboxContext,
  { args, home, variables }: RunUser,
  record: RunRecord,
): PermissionRequests {
  return new PermissionRequests({
    record,
    plugin: context.name,
    grants: context.grants,
    home,
    args,
    programs: programDirectories(variables.PATH),
    started: context.installed ? undefined : context.args[0],
    ask: context.ask,
    // If a broker asks, it saves the answers too.
    keep: context.ask?.by ? undefined : context.keep,
    administrator: context.administrator,
  });
}

/** The directories of `PATH`, as they are compared with paths that a plugin names. */
function programDirectories(path = ""): string[] {
  return path.split(Deno.build.os === "windows" ? ";" : ":").filter((directory) => directory !== "")
    .map((directory) => hostPath(directory).replace(/(?<=.)\/+$/, ""));
}

function filesOf(
  context: SandboxContext,
  user: RunUser,
  { permissionRequests, own, kubeconfig, cluster, changes }: {
    readonly permissionRequests: PermissionRequests;
    readonly own: string;
    readonly kubeconfig: PluginKubeconfig;
    readonly cluster: RunCluster;
    readonly changes: KubeconfigChanges;
  },
): Files {
  const { grants } = permissionRequests;
  return pluginFiles({
    ...user,
    plugin: context.installed ? context.name : undefined,
    grants,
    own,
    kubeconfig,
    overlays: kubeconfigOverlays(kubeconfig, grants.kubeconfig === true, {
      redacted: () => cluster.redacted(),
      real: (path) => cluster.readFile(path),
    }),
    store: context.layout.root,
    asks: context.ask !== undefined,
    outside: kernelCalls() ? { calls: undefined } : undefined,
    requests: {
      cwd: guestPath(user.cwd),
      descriptors: grants.limits.descriptors,
      ask: (asked) => permissionRequests.askFile(asked),
    },
    writable: () => changes.writable(),
  });
}

/** The plugin's argv; without secrets, unless it may read the real kubeconfig. */
function argumentsOf(
  args: readonly string[],
  realKubeconfig: boolean,
  { readOnce, shown }: PluginKubeconfig,
  cluster: RunCluster,
): readonly string[] {
  const told = readOnce ? withKubeconfig(args, guestPath(shown!)) : args;
  return realKubeconfig ? told : withoutSecrets(told, () => cluster.placeholderToken());
}

function standardStreams({ ask }: SandboxContext, variables: WithheldVariables): Streams {
  return {
    stdin: stdinSource(),
    stdout: stdoutSink(ask?.quietly),
    stderr: variables.watch(stderrSink(ask?.quietly)),
  };
}
