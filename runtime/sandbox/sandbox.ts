/** Builds the sandbox of a run from its grants. All WASI interfaces use this one value. */

import { AppError, messageOf } from "../base/errors.ts";
import { PermissionRequests } from "./permission_requests.ts";
import type { Administrator, Ask } from "./permission_request_types.ts";
import { type GrantChange, grantedEnvironment, type Grants } from "../grants/grants.ts";
import { exists, guestPath, hostPath, parentOf, realPath } from "../base/host_path.ts";
import { makePlaceholderToken, withKubeconfig, withoutSecrets } from "../kube/config/redacted_arguments.ts";
import type { Cluster } from "../kube/cluster.ts";
import { kubeconfigPaths, parseConnectionFlags } from "../kube/config/kubectl_flags.ts";
import { kubercPaths } from "../kube/config/kuberc_file.ts";
import { placeOfText } from "../kube/config/places.ts";
import { type Preloaded, preloadKubeconfig } from "../kube/config/preload.ts";
import { isReadOnce, readText } from "../kube/config/text_file.ts";
import { mountsFor } from "./mounts.ts";
import { obeyedContents } from "./obeyed_contents.ts";
import { obeyedFiles, usualKubeconfigs } from "./obeyed_files.ts";
import { DENO_PATHS, walkPath } from "../base/path_walk.ts";
import { RunRecord } from "./run_record.ts";
import { printError } from "../run/error_report.ts";
import { homeDirectory, type Layout } from "../store/layout.ts";
import { printable } from "../base/text.ts";
import { stderrSink, stdinSource, stdoutSink } from "../wasi/streams/stdio.ts";
import type { TerminalControl } from "../wasi/terminal/raw_terminal.ts";
import { giveUp, giveUpRunning } from "./process_permissions.ts";
import { Broker } from "./broker/broker_client.ts";
import type { BrokerContext } from "./broker/broker_context.ts";
import { namesOnPath } from "../base/program_path.ts";
import { removeTree } from "../base/remove_tree.ts";
import { renewedFile } from "./broker/renewed.ts";
import { isMadeOutside } from "./kernel/kept_access.ts";
import { checkStanding } from "./kernel/required.ts";
import { kernelWall, type RestrictedRun, restrictRun } from "./kernel/restrict_run.ts";
import { VERSION } from "../base/version.ts";
import type { Files, Overlay, Sandbox, Streams } from "./types.ts";

/** What {@linkcode openSandbox} needs. */
export interface SandboxContext {
  /** The plugin's name. */
  readonly name: string;
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
  /** Who requires walls that this system may lack. */
  readonly requiredBy?: string | undefined;
  /** Record each request to the cluster, whatever the environment says. */
  readonly recordRequests?: boolean;
  /** Writes a lasting grant to the receipt. */
  readonly keep?: ((change: GrantChange) => Promise<void>) | undefined;
}

/** A sandbox that can be closed. */
export interface OpenSandbox extends Sandbox, Disposable {
  readonly permissionRequests: PermissionRequests;
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
  const { args, layout, verbose } = context;
  const variables = Deno.env.toObject();
  const home = homeDirectory((name) => variables[name]);
  const record = new RunRecord(
    layout.log,
    context.name,
    variables.KREW_WASM_LOG === "requests" || (context.recordRequests ?? false),
  );
  const permissionRequests = new PermissionRequests({
    record,
    plugin: context.name,
    grants: context.grants,
    home,
    args: args.slice(1),
    started: context.installed ? undefined : args[0],
    ask: context.ask,
    // If a broker asks, it saves the answers too.
    keep: context.ask?.by ? undefined : context.keep,
    administrator: context.administrator,
  });
  const { grants } = permissionRequests;
  const trace = (line: string) => {
    if (verbose) printError(`krew-wasm: ${printable(line, 4000)}\n`);
  };
  const cwd = hostPath(Deno.cwd());
  const own = openPrivateDirectory(context);
  const kubeconfig = kubeconfigPaths(variables, args.slice(1), home, cwd);
  // The plugin can neither read nor create the other kubeconfigs, even if a flag chose one for this run.
  const variable = (name: string) => variables[name];
  const kubeconfigs = new Set([kubeconfig, kubeconfigPaths(variables, [], home, cwd)].flatMap((each) => [
    ...each.paths,
    ...each.written,
  ]));
  for (const path of usualKubeconfigs(variable, home)) kubeconfigs.add(path);
  // If this file can be read only once, the plugin gets a regular file instead.
  const readOnce = kubeconfig.redactedPath !== undefined && isReadOnce(kubeconfig.redactedPath)
    ? { path: kubeconfig.redactedPath, shown: `${own.path}/kubeconfig` }
    : undefined;
  const redactedPath = readOnce?.shown ?? kubeconfig.redactedPath;

  const { given, withheld } = grantedEnvironment(variables, grants.env, grants.deny.env);
  if (withheld.length > 0) trace(`held back from the plugin's environment: ${withheld.join(", ")}`);
  const env = new Map(given);
  // With an exact list of variables, a plugin gets only the files behind those variables.
  const tells = (name: string) =>
    (typeof grants.env === "string" || grants.env.includes(name)) &&
    (grants.deny.env !== "all" && !grants.deny.env.includes(name));
  const provide = (name: string, value: string) => {
    if (tells(name)) env.set(name, value);
  };
  provide("PWD", guestPath(cwd));
  provide("TMPDIR", `${guestPath(own.path)}/tmp`);
  if (!grants.home) {
    for (const [name, directory] of PRIVATE_DIRECTORIES) provide(name, `${guestPath(own.path)}/${directory}`);
  }
  // WASI programs do not read USERPROFILE.
  if (Deno.build.os === "windows") provide("HOME", guestPath(home));
  if (redactedPath !== undefined) provide("KUBECONFIG", guestPath(redactedPath));

  let preloaded: Preloaded | undefined;
  let mayRun = true;
  let broker: Broker | undefined;
  let restricted: RestrictedRun | undefined;
  const outside: NonNullable<Files["outside"]> = { calls: undefined };
  let access: Promise<import("../kube/open_cluster.ts").ClusterAccess> | undefined;
  let opened: import("../kube/open_cluster.ts").ClusterAccess | undefined;
  let token: string | undefined;
  const placeholderToken = () => token ??= makePlaceholderToken();
  const readFile = (path: string) => preloaded ? preloaded.readFile(path) : readText(path);
  const open = () =>
    access ??= import("../kube/open_cluster.ts").then(({ openCluster }) =>
      opened = openCluster({
        env: variables,
        args: args.slice(1),
        home,
        cwd,
        trace,
        placeholderToken,
        helper: broker?.credentials,
        warn: (line) => printError(`krew-wasm: warning: ${printable(line, 1000)}\n`),
        readFile,
        ...(preloaded ? { findProgram: preloaded.findProgram } : {}),
        chosen({ exec, server }, proxy) {
          if (preloaded && mayRun && exec === undefined) giveUpRunning();
          const place = placeOfText(proxy?.href ?? server);
          if (place) restricted?.narrowTo(place.port);
        },
      })
    );
  let shown: Promise<Uint8Array> | undefined;
  const redacted = () => shown ??= open().then((cluster) => cluster.redacted());
  let cluster: Promise<Cluster> | undefined;
  const connect = async (): Promise<Cluster> => {
    const [access, { recordCluster }] = await Promise.all([
      open(),
      import("../kube/http/recorded_requests.ts"),
    ]);
    const opened = await access.cluster();
    const { grant, deny, bound = "full" } = permissionRequests.cluster();
    if (grant === "full" && deny === false && bound === "full") return recordCluster(opened, record);
    const { authorizeCluster } = await import("../kube/allow/authorize_request.ts");
    return recordCluster(
      authorizeCluster(
        opened,
        context.name,
        () => permissionRequests.cluster(),
        (denied) => permissionRequests.askCluster(denied),
      ),
      record,
    );
  };
  // One redacted file replaces the whole KUBECONFIG list. The others show empty, which client-go treats as missing.
  const overlays: Overlay[] = grants.kubeconfig ? [] : [...kubeconfigs].map((host) => ({
    host,
    content: () => host === kubeconfig.redactedPath ? redacted() : new Uint8Array(),
  }));
  if (readOnce) {
    const itself = () => new TextEncoder().encode(readFile(readOnce.path));
    overlays.push({ host: readOnce.shown, content: grants.kubeconfig ? itself : redacted });
  }
  const told = readOnce ? withKubeconfig(args, guestPath(readOnce.shown)) : args;
  const streams = context.streams ?? {
    stdin: stdinSource(),
    stdout: stdoutSink(context.ask?.quietly),
    stderr: stderrSink(context.ask?.quietly),
  };
  const mounts = mountsFor(grants, {
    plugin: context.installed ? context.name : undefined,
    cwd,
    home,
    own: ["TMPDIR", ...PRIVATE_DIRECTORIES.map(([name]) => name)].some(tells) ? own.path : undefined,
    redacted: tells("HOME") || tells("KUBECONFIG") ? redactedPath : undefined,
    trace,
  });
  /** Whether the plugin may change files beyond its private directory, now or once a person grants it. */
  const mayChange = context.ask !== undefined || mounts.some(({ host, write }) => write && host !== own.path);
  const obeyed = { env: variable, home, cwd, store: layout.root };
  const protectedPaths = [
    ...obeyedFiles({
      ...obeyed,
      uid: Deno.uid() ?? undefined,
      binaries: Deno.build.standalone
        ? [Deno.execPath(), ...namesOnPath("krew-wasm", Deno.execPath(), variable)].map(hostPath)
        : [],
      kuberc: kubercPaths(variables, args.slice(1), home, cwd),
    }),
    // The plugin may read the real file. To change it, it needs a grant for exactly this file.
    ...(grants.kubeconfig ? [...kubeconfigs].filter((path) => !isGrantedToWrite(grants, path)) : []),
  ];
  let contents: readonly string[] | undefined;
  const mayBeTerminals = grants.terminal && context.streams === undefined;
  let terminal: TerminalControl | undefined;
  const sandbox: OpenSandbox = {
    permissionRequests,
    args: grants.kubeconfig ? told : withoutSecrets(told, placeholderToken),
    env: [...env],
    cwd: guestPath(cwd),
    ...streams,
    terminals: {
      stdin: mayBeTerminals && Deno.stdin.isTerminal(),
      stdout: mayBeTerminals && Deno.stdout.isTerminal(),
      stderr: mayBeTerminals && Deno.stderr.isTerminal(),
    },
    async terminal() {
      const { ownTerminal, TerminalControl } = await import("../wasi/terminal/raw_terminal.ts");
      return terminal ??= await TerminalControl.open(
        sandbox.terminals.stdin ? ownTerminal : undefined,
        streams.stdin,
      );
    },
    files: {
      mounts,
      overlays,
      get protectedPaths() {
        // Few plugins may change files, and finding these takes time.
        contents ??= mayChange ? obeyedContents(obeyed) : [];
        return [...protectedPaths, ...contents];
      },
      unprotectedPaths: [own.path],
      deniedPaths: [...grants.deny.read, ...(grants.deny.home ? [home] : [])],
      deniedWrites: grants.deny.write,
      ...(kernelWall() ? { outside } : {}),
      requests: {
        cwd: guestPath(cwd),
        descriptors: grants.limits.descriptors,
        ask: (asked) => permissionRequests.askFile(asked),
      },
    },
    limits: grants.limits,
    record,
    cluster: () => cluster ??= connect(),
    trace,
    async giveUp(uses, tree) {
      // Keep the rights for what a person may still grant: the cluster, and saving the grant in the store.
      const asks = context.ask !== undefined;
      const network = uses.network && (grants.cluster !== "none" || asks && grants.deny.cluster !== true);
      const flags = parseConnectionFlags(args.slice(1));
      if (network || uses.files) {
        preloaded = await preloadKubeconfig(kubeconfig.paths, {
          env: variables,
          args: args.slice(1),
          home,
          cwd,
        });
      }
      mayRun = network && (preloaded?.exec ?? false);
      const { files } = sandbox;
      const named = uses.files && uses.throughDeno;
      const usesFiles = tree !== undefined || uses.files;
      // Later this process can't read what it obeys.
      if (usesFiles && mayChange) contents ??= obeyedContents(obeyed);
      const code = context.code === undefined ? [] : [context.code];
      const renewed = network
        ? [...preloaded?.keep ?? [], ...(variables.KUBERNETES_SERVICE_HOST ? [SERVICE_ACCOUNT] : [])]
        : [];
      // Later the kernel allows no new files in the store.
      if (exists(layout.root)) tryMaking(layout.log);
      const system = kernelWall();
      const makesFiles = usesFiles && !named && mounts.some(isMadeOutside);
      if (system) {
        // The broker does what the kernel cannot allow to this process alone: opening granted files later, creating files,
        // starting a credential plugin, and reading renewed files.
        const asksFor = asks && (usesFiles || uses.network);
        if (asksFor || mayRun || makesFiles || network && preloaded?.keep.length !== 0) {
          broker = Broker.start(system, {
            version: VERSION,
            pid: Deno.pid,
            plugin: context.name,
            args,
            installed: context.installed,
            grants: context.grants,
            home,
            cwd,
            root: layout.root,
            bounds: context.bounds,
            asks: asksFor,
            files: {
              mounts: usesFiles ? mounts : [],
              overlaid: overlays.map(({ host }) => host),
              protectedPaths: files.protectedPaths,
              unprotectedPaths: files.unprotectedPaths,
              deniedPaths: files.deniedPaths ?? [],
              deniedWrites: files.deniedWrites ?? [],
            },
            texts: [...preloaded?.texts ?? []],
            renewed: (preloaded?.keep ?? []).map(renewedFile),
          }, mayRun);
        }
        outside.calls = broker?.files;
        if (broker) context.ask?.by?.(broker);
      }
      // If no broker can be started but the run needs one, the run does without this wall.
      const walled = system !== undefined && (broker !== undefined || !mayRun && !makesFiles);
      if (walled || named) tree?.lookAhead();
      // Without openat2 the broker cannot open files for this process. The kernel then allows all files that a person may
      // grant.
      const anyFile = named && asks ? ["/"] : [];
      const made = named ? mounts.filter(isMadeOutside).map(({ host }) => host) : [];
      restricted = walled
        ? await restrictRun(system, {
          read: [Deno.execPath(), ...code],
          write: [own.path, ...anyFile, ...made],
          log: layout.log,
          remove: own.ofThisRun ? [parentOf(own.path)] : [],
          mounts: usesFiles ? mounts : [],
          descriptors: tree?.descriptors,
          listed: usesFiles ? files.deniedPaths ?? [] : [],
          overlaid: overlays.map(({ host }) => host),
        }, network && preloaded ? { preloaded, flags, env: variables, renewed } : undefined)
        : undefined;
      const standing = restricted?.standing ?? "none";
      await checkStanding(
        context.requiredBy,
        anyFile.length > 0 && standing === "full" ? "partial" : standing,
      );
      if (broker) mayRun = false;
      // This process itself asks and saves.
      const keeps = asks && system === undefined;
      // A private directory for this run alone is removed at the end.
      const ownKept = named || own.ofThisRun ? [own.path] : [];
      giveUp({
        network,
        run: mayRun,
        symlinks: uses.symlinks && named,
        sys: keeps,
        read: [
          ...anyFile,
          ...ownKept,
          layout.log,
          ...(keeps ? [layout.root] : []),
          ...(named
            ? [
              ...mounts.map(({ host }) => host),
              ...overlays.map(({ host }) => walkPath(host, DENO_PATHS).path),
            ]
            : []),
          ...code,
          ...renewed,
        ],
        write: [
          ...anyFile,
          ...ownKept,
          layout.log,
          // The parts of the store for saving grants, but no code that runs.
          ...(keeps ? [layout.lock, layout.stage, layout.receipts, layout.history] : []),
          ...(named ? mounts.filter(({ write }) => write).map(({ host }) => host) : []),
        ],
      });
    },
    async settle() {
      broker?.settle();
      await permissionRequests.settle();
    },
    [Symbol.dispose]: () => {
      terminal?.close(); // restore the terminal before printing
      record.close();
      opened?.close();
      // A plugin can make files that cannot be removed. That does not fail the run.
      if (own.ofThisRun) tryRemoving(own.path, trace);
    },
  };
  return sandbox;
}

/** Where a Pod finds its service account (client-go's rest.InClusterConfig). Its token is renewed during a run. */
const SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

// XDG base directory specification. Without these variables programs use $HOME, which a plugin does not see.
const PRIVATE_DIRECTORIES = [
  ["XDG_CACHE_HOME", "cache"],
  ["XDG_CONFIG_HOME", "config"],
  ["XDG_DATA_HOME", "share"],
  ["XDG_STATE_HOME", "state"],
] as const;

/** The plugin's private directory: in the store, or for a file that is not installed a temporary one. */
function openPrivateDirectory(context: SandboxContext): { path: string; ofThisRun: boolean } {
  const make = (path: string) => {
    for (const name of ["tmp", ...PRIVATE_DIRECTORIES.map(([, directory]) => directory)]) {
      Deno.mkdirSync(`${path}/${name}`, { recursive: true, mode: 0o700 });
    }
  };
  const ofThisRun = () => {
    const path = realPath(Deno.makeTempDirSync({ prefix: "krew-wasm-" }));
    make(path);
    return { path, ofThisRun: true };
  };
  try {
    if (!context.installed) return ofThisRun();
    const path = context.layout.dataDir(context.name);
    for (let tried = 1;; tried++) {
      try {
        if (!exists(`${path}/${PRIVATE_DIRECTORIES.at(-1)![1]}`)) make(path); // this one is created last
        return { path: realPath(path), ofThisRun: false };
      } catch (error) {
        // Another process removed the plugin and this directory. The run continues.
        const moved = error instanceof Deno.errors.NotFound || error instanceof Deno.errors.AlreadyExists;
        if (moved && tried < 10) continue;
        // The store is on a read-only or full disk. Its plugins run all the same.
        if (!["EROFS", "ENOSPC", "EDQUOT"].includes((error as { code?: string }).code ?? "")) throw error;
        return ofThisRun();
      }
    }
  } catch (error) {
    throw new AppError(
      "STORE_FAILED",
      `Cannot make the private directory of "${context.name}": ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
}

/** Tries to create log/. Without it, for example on a read-only store, the run is not recorded. */
function tryMaking(path: string): void {
  try {
    Deno.mkdirSync(path, { mode: 0o700 });
  } catch { /* it is there, or can't be */ }
}

function tryRemoving(path: string, trace: (line: string) => void): void {
  try {
    removeTree(path);
  } catch (error) {
    trace(`${path} stays: ${messageOf(error)}`);
  }
}

/** Whether a single file is granted for writing. */
function isGrantedToWrite({ files }: Grants, path: string): boolean {
  return files.some(({ host, write }) => write && host === path);
}
