/**
 * Runs a plugin, from its name to its exit code: receipt, grants, sandbox, instance. This is the path from `kubectl foo` to
 * the plugin's first instruction, so it imports dynamically what some runs do not need.
 */

import type { Administrator, Ask } from "../sandbox/permission_request_types.ts";
import { brokeredAsk } from "../sandbox/broker/asker.ts";
import type { BrokerContext } from "../sandbox/broker/broker_context.ts";
import type { Failures } from "./request_failures.ts";
import { wallsRequiredBy } from "../sandbox/kernel/required.ts";
import { kernelCalls } from "../sandbox/kernel/restrict_run.ts";
import type { GrantChange, Grants } from "../grants/grants.ts";
import { type Invocation, isCompleting } from "./invocation.ts";
import type { CompletionRun } from "./completion_filter.ts";
import { messageOf } from "../base/errors.ts";
import { isNowhere } from "../base/host_path.ts";
import { POLICY_PATH } from "../policy/policy_path.ts";
import { type Modules, prepare } from "./prepare.ts";
import { Interrupted } from "../sandbox/dialog.ts";
import { mayPrompt, terminalAsk } from "../sandbox/prompt.ts";
import { EXIT_HOST_FAILED, EXIT_PIPE, formatError, isVerbose, printError } from "./error_report.ts";
import { type OpenSandbox, openSandbox } from "../sandbox/sandbox.ts";
import type { SandboxContext } from "../sandbox/sandbox_context.ts";
import { type Sandbox } from "../sandbox/types.ts";
import { checkStore } from "../store/check.ts";
import { homeDirectory, type Layout, layoutAt, storeRoot } from "../store/layout.ts";
import { loadPlugin } from "../store/load.ts";
import type { PluginKind, Receipt } from "../store/receipt.ts";
import { printable } from "../base/text.ts";
import type { Judged } from "../policy/verdict.ts";
import { isOfSockets } from "../sandbox/process_permissions.ts";
import { type WhatIf, whatIfOf } from "./what_if.ts";
import { MemoryLimit } from "../wasi/memory_limit.ts";
import { ClosedPipe } from "../wasi/streams/stdio.ts";
import { type ExtraImports, runPreview1 } from "../wasi/p1/preview1.ts";

/** The exit code of a plugin that trapped, as a shell shows a program that aborted (128 + SIGABRT). */
const EXIT_TRAPPED = 134;
/** As a shell shows a program that Ctrl-C ended (128 + SIGINT). */
const EXIT_INTERRUPTED = 130;

/** The engine keeps this many frames of a trap; its default is ten. */
const KEPT_FRAMES = 64;

/** The file of a preview1 module. */
const MODULE = "plugin.wasm";

/** A plugin's compiled form. Its bytes are checked at the latest when they are read. */
export interface Program {
  readonly kind: PluginKind;
  /** Names of the files. */
  readonly files: readonly string[];
  /** The checked bytes of a file. @throws AppError STORE_CORRUPT */
  read(file: string): Promise<Uint8Array<ArrayBuffer>>;
  /** Modules that were compiled ahead, from the same bytes. */
  readonly modules?: Modules;
}

/** What a run needs from the rest of the program. */
export interface RunHost {
  /** Compiles an installed plugin again with this version's compiler. */
  recompile(layout: Layout, name: string): Promise<Receipt>;
  /** Writes a lasting grant to the receipt. @throws AppError STORE_… */
  keep(layout: Layout, name: string, change: GrantChange): Promise<void>;
  /** Ends the process after an interrupt in the middle of a plugin's call. */
  end(code: number): never;
}

/** Runs the plugin of a link and returns the exit code. Never throws a plugin's error. */
export async function runAsPlugin(
  invocation: Extract<Invocation, { life: "plugin" }>,
  host: RunHost,
): Promise<number> {
  const layout = layoutAt(storeRoot(Deno.env.get));
  const { name, link, args, completing } = invocation;
  return await runInstalled(layout, name, [link, ...args], { host, prompt: !completing });
}

/** Options of a run. */
export interface RunOptions {
  readonly host: RunHost;
  /** Adds to the receipt's grants for this run. */
  readonly grants?: (granted: Grants) => Grants;
  /** Write a trace to stderr. */
  readonly verbose?: boolean;
  /** Whether krew-wasm may ask a person at the terminal; true by default. */
  readonly prompt?: boolean;
  /** The path of the policy; tests use another. */
  readonly policyPath?: string;
  /** Change nothing on the cluster, and print what would change. By default, KREW_WASM_WHAT_IF says so. */
  readonly whatIf?: WhatIf | undefined;
}

/** The administrator's requirements for a run. */
export interface Governed {
  readonly administrator: Administrator | undefined;
  readonly prompts: boolean;
  /** Record each request to the cluster. */
  readonly requests: boolean;
  /** The bounds in the form for the broker; undefined if there are none. */
  readonly bounds: BrokerContext["bounds"];
  /** Who requires the kernel's restrictions, which this system may lack; undefined if nobody does. */
  readonly requiredBy: string | undefined;
}

/**
 * What the policies say about a plugin, by its provenance: the administrator's policy, and for an installed plugin also the
 * user's. Their parser is loaded only if such a file exists.
 *
 * @throws AppError POLICY_INVALID, POLICY_REFUSED
 */
export async function governed(
  judged: Judged,
  layout: Pick<Layout, "policy">,
  path: string = POLICY_PATH,
): Promise<Governed> {
  const requiredBy = wallsRequiredBy(Deno.env.get);
  // An unreadable file may bound this run. Its reader reports the error.
  const [bound, own] = [!isNowhere(path, "not a link"), !("file" in judged) && !isNowhere(layout.policy)];
  if (!bound && !own) {
    return { administrator: undefined, prompts: true, requests: false, bounds: undefined, requiredBy };
  }
  const [{ readPolicy }, { administratorOf, judge }] = await Promise.all([
    import("../policy/read_policy.ts"),
    import("../policy/verdict.ts"),
  ]);
  const home = homeDirectory(Deno.env.get);
  const policy = bound ? await readPolicy(path, home) : undefined;
  const verdict = await judge(policy, judged);
  if (verdict.refused) throw verdict.refused;
  if (own) {
    const { readUserPolicy } = await import("../policy/user_policy.ts");
    const { refused } = await judge(await readUserPolicy(layout, home), judged);
    if (refused) throw refused;
  }
  const administrator = administratorOf(verdict, home);
  return {
    administrator,
    prompts: policy?.prompts ?? true,
    requests: policy?.record === "requests",
    bounds: administrator && { judged, policy: path },
    requiredBy: policy?.walls === "kernel" ? path : requiredBy,
  };
}

/**
 * Runs an installed plugin; `args` is its argv, its own name first.
 *
 * @returns the plugin's exit code; 134 if it trapped, 141 if it wrote into a closed pipe, 125 if krew-wasm could not run it
 * @throws AppError NOT_INSTALLED, RECEIPT_INVALID, STORE_CORRUPT
 */
export async function runInstalled(
  layout: Layout,
  name: string,
  args: readonly string[],
  options: RunOptions,
): Promise<number> {
  checkStore(layout);
  const { receipt, directory, files, names, prepared: modules } = await loadPlugin(
    layout,
    name,
    options.host.recompile,
    prepare,
  );
  const program: Program = {
    kind: receipt.kind,
    files: [...files.keys()],
    read: async (file) => files.get(file) ?? await names(file),
    ...(modules ? { modules } : {}),
  };
  const { prompts, requests, ...governance } = await governed(receipt, layout, options.policyPath);
  const grants = options.grants ? options.grants(receipt.grants) : receipt.grants;
  return await runAsAsked(program, options.whatIf ?? whatIfOf(Deno.env.get), {
    name,
    version: receipt.version,
    args,
    grants,
    layout,
    installed: true,
    code: directory,
    verbose: options.verbose ?? isVerbose(),
    ask: askerFor(options.host, (options.prompt ?? true) && prompts, true),
    ...governance,
    recordRequests: requests,
    keep: (change) => options.host.keep(layout, name, change),
  });
}

/** Asks a person at the terminal for missing grants, if possible. `canStay`: an answer can be saved for later runs. */
export function askerFor(host: RunHost, prompt: boolean, canStay: boolean): Ask | undefined {
  if (!prompt || !mayPrompt(Deno.env.get)) return undefined;
  const system = kernelCalls();
  const ask = system ? brokeredAsk(system) : terminalAsk(canStay, Deno.env.get);
  if (!ask) return undefined;
  const asking: Ask = (question, about) => {
    try {
      return ask(question, about);
    } catch (error) {
      if (error instanceof Interrupted) host.end(EXIT_INTERRUPTED);
      throw error;
    }
  };
  return Object.assign(asking, { quietly: ask.quietly, by: ask.by });
}

/** Like {@linkcode runProgram}; with `whatIf`, nothing changes on the cluster, and what would change is printed. */
export async function runAsAsked(
  program: Program,
  whatIf: WhatIf | undefined,
  context: SandboxContext,
): Promise<number> {
  if (whatIf === undefined) return await runProgram(program, context);
  const { runWithReport } = await import("./what_if_run.ts");
  return await runWithReport(whatIf, context, (context) => runProgram(program, context));
}

/** Runs a program in a new sandbox and returns its exit code, like {@linkcode runInstalled}. */
export async function runProgram(program: Program, context: SandboxContext): Promise<number> {
  let sandbox: OpenSandbox | undefined;
  let code = EXIT_HOST_FAILED;
  // A failure outside of the plugin's calls, such as of a connection that it dropped, neither ends it nor concerns its
  // user.
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    if (context.verbose) printError(`krew-wasm: ${printable(messageOf(event.reason), 4000)}\n`);
  });
  let completion: CompletionRun | undefined;
  try {
    const args = context.args.slice(1);
    if (isCompleting(args)) {
      completion = new (await import("./completion_filter.ts")).CompletionRun(args, context.verbose);
    }
    // Ask no questions while the user is typing.
    sandbox = openSandbox(completion ? { ...context, ask: undefined, streams: completion.streams } : context);
    if (completion && !sandbox.permissionRequests.grants.completion) return code = 0; // like a plugin without completion
    code = await instantiate(program, sandbox);
    // The plugin may have ignored that writing failed.
    return code = sandbox.losesChanges() && code === 0 ? 1 : code;
  } catch (error) {
    if (error instanceof ClosedPipe) return code = EXIT_PIPE;
    const { describeTrap, reportTrap } = await import("../wasi/trap/trap.ts");
    const trap = describeTrap(error);
    const report = trap ? await reportTrap(trap, program.read, context.verbose) : error;
    printError(formatError(report, context.verbose));
    return trap ? EXIT_TRAPPED : EXIT_HOST_FAILED;
  } finally {
    const tells = completion === undefined || context.verbose;
    if (sandbox) await closeSandbox(sandbox, code !== 0 && code !== EXIT_PIPE, context.verbose, tells);
    if (code === 0) await completion?.print();
  }
}

/** Prints missing grants, and waits until lasting grants are saved. */
async function closeSandbox(
  sandbox: OpenSandbox,
  failed: boolean,
  verbose: boolean,
  tells: boolean,
): Promise<void> {
  sandbox[Symbol.dispose]();
  const hint = tells ? sandbox.permissionRequests.hint(failed) : undefined;
  if (hint !== undefined) printError(`${hint}\n`);
  const withheld = tells && failed ? sandbox.withheldHint() : undefined;
  if (withheld !== undefined) printError(`${withheld}\n`);
  try {
    await sandbox.settle();
  } catch (error) {
    printError(formatError(error, verbose));
  }
}

async function instantiate(program: Program, sandbox: Sandbox): Promise<number> {
  Error.stackTraceLimit = KEPT_FRAMES;
  if (program.kind === "component") {
    const { runComponent } = await import("./component.ts");
    return await runComponent(program, sandbox);
  }
  const bytes = await program.read(MODULE);
  const memory = new MemoryLimit(sandbox.limits.maxMemory);
  memory.check(bytes);
  const module = program.modules?.get(MODULE) ?? new WebAssembly.Module(bytes);
  memory.checkObjects(module);
  const imports = WebAssembly.Module.imports(module);
  const imported = new Set(imports.map(({ module }) => module));
  const extras: ExtraImports[] = [];
  let failures: Failures | undefined;
  const sockets = imports.some(({ name }) => isOfSockets(name));
  if (sockets || imported.has("wasi-outbound-http")) {
    failures = new (await import("./request_failures.ts")).Failures(sandbox);
  }
  // The plugins of 2022 use their own network interface.
  if (failures && imported.has("wasi-outbound-http")) {
    extras.push((await import("../wasi/p1/outbound_http.ts")).outboundHttpImports(sandbox, failures));
  }
  if (failures && sockets) {
    extras.push((await import("../wasi/p1/sockets.ts")).socketImports(sandbox, failures));
  }
  if (imported.has("krew_wasm_kubernetes")) {
    extras.push((await import("../wasi/p1/kubernetes_imports.ts")).kubernetesImports(sandbox));
  }
  if (imported.has("krew_wasm_terminal")) {
    extras.push((await import("../wasi/p1/terminal.ts")).terminalImports(await sandbox.terminal()));
  }
  const code = await runPreview1(module, sandbox, extras);
  if (code !== 0) failures?.tell();
  return code;
}
