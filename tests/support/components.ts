/** Builds components for tests, from text, C and TypeScript, and a sandbox to run them in. */

import { LEAST } from "../../runtime/grants/grants.ts";
import { fileURLToPath } from "node:url";
import type {
  Cluster,
  ClusterRequest,
  ClusterResponse,
  TunnelAnswer,
  UpgradeAnswer,
} from "../../runtime/kube/cluster.ts";
import type { Endpoint } from "../../runtime/kube/allow/destination.ts";
import { type Sockets, socketsTo } from "../../runtime/kube/sockets/raw_sockets.ts";
import { runComponent } from "../../runtime/run/component.ts";
import type { Program } from "../../runtime/run/run.ts";
import { runPreview1 } from "../../runtime/wasi/p1/preview1.ts";
import { openListener } from "../../runtime/sandbox/open_listener.ts";
import type { Files, Sandbox } from "../../runtime/sandbox/types.ts";
import { stdinSource } from "../../runtime/wasi/streams/stdio.ts";
import type { ByteSink, ByteSource } from "../../runtime/wasi/streams/streams.ts";
import { TerminalControl } from "../../runtime/wasi/terminal/raw_terminal.ts";
import { RunRecord } from "../../runtime/sandbox/run_record.ts";
import { compilePlugin } from "../../registry/compile/compile.ts";
import { componentEmbed, componentNew, parse } from "@bytecodealliance/jco-transpile/wasm-tools";
import { findProgram, missing } from "./programs.ts";

// Importing jco starts to read its files. Without this line, Deno would blame a running test for a leak.
await parse("(module)");

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Assembles a module or component from its text format. */
export async function wat(text: string): Promise<Uint8Array<ArrayBuffer>> {
  return (await parse(text)).slice();
}

/** Whether to skip a test that needs clang and wasi-libc. */
export function lacksClang(): boolean {
  const how = "apt install clang lld wasi-libc libclang-rt-dev-wasm32";
  return missing("clang", findProgram("clang") !== undefined, how);
}

/** A component for a world in WIT. All its functions trap. */
export async function dummy(wit: string, world = "w"): Promise<Uint8Array<ArrayBuffer>> {
  const module = await componentEmbed({ dummy: true, witSource: wit, world });
  return (await componentNew(module, [])).slice();
}

/** Compiles a C program, named from the repository's root, to a preview1 module. */
export async function buildC(source: string): Promise<Uint8Array<ArrayBuffer>> {
  const out = await Deno.makeTempFile({ suffix: ".wasm" });
  try {
    const { success, stderr } = await new Deno.Command("clang", {
      args: ["--target=wasm32-wasi", "--sysroot=/usr", "-O2", "-o", out, `${root}${source}`],
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return await Deno.readFile(out);
  } finally {
    await Deno.remove(out);
  }
}

/** Makes a component from a preview1 module with the Bytecode Alliance's adapter for commands. */
export async function componentOf(module: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const adapter = await Deno.readFile(
    `${root}node_modules/@bytecodealliance/jco/lib/wasi_snapshot_preview1.command.wasm`,
  );
  return (await componentNew(module, [["wasi_snapshot_preview1", adapter]])).slice();
}

/** Makes a component from a TypeScript plugin. Takes seconds. */
export async function buildTypeScript(source: string): Promise<Uint8Array<ArrayBuffer>> {
  const directory = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${directory}/plugin.ts`, source);
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "-A",
        `${root}scripts/componentize.ts`,
        `${directory}/plugin.ts`,
        `${directory}/plugin.wasm`,
      ],
      cwd: root,
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr));
    return await Deno.readFile(`${directory}/plugin.wasm`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Collects what is written. */
export class Collected implements ByteSink {
  #chunks: Uint8Array[] = [];
  #waiting: { text: string; resolve: () => void }[] = [];
  length = 0;

  ready = () => true;
  wait = () => Promise.resolve();
  capacity = () => 65536;
  flush = () => {};
  close = () => {};

  write(bytes: Uint8Array): number {
    this.#chunks.push(bytes.slice());
    this.length += bytes.length;
    this.#waiting = this.#waiting.filter(({ text, resolve }) => {
      if (!this.text().includes(text)) return true;
      resolve();
      return false;
    });
    return bytes.length;
  }

  bytes(): Uint8Array {
    const all = new Uint8Array(this.length);
    let at = 0;
    for (const chunk of this.#chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  text(): string {
    return new TextDecoder().decode(this.bytes());
  }

  /** Resolves when the output contains a text. */
  includes(text: string): Promise<void> {
    if (this.text().includes(text)) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ text, resolve }));
  }
}

/** A source of these bytes. */
export function sourceOf(bytes: Uint8Array): ByteSource {
  let rest = bytes;
  const read = (into: Uint8Array): number => {
    const count = Math.min(into.length, rest.length);
    into.set(rest.subarray(0, count));
    rest = rest.subarray(count);
    return count;
  };
  return {
    ready: () => true,
    wait: () => Promise.resolve(),
    read,
    readAvailable: (into) => read(into) || -1,
    close: () => {},
  };
}

/** A cluster that answers by `answer` and keeps its requests. */
export class FakeCluster implements Cluster {
  readonly context = "test";
  readonly server = "https://cluster.test:6443";
  readonly namespace = "default";
  readonly requests: ClusterRequest[] = [];
  /** The allowed destination of sockets. */
  endpoint: Endpoint | undefined;

  constructor(public answer: (request: ClusterRequest) => Promise<ClusterResponse> | ClusterResponse) {}

  async send(request: ClusterRequest): Promise<ClusterResponse> {
    this.requests.push(request);
    return await this.answer(request);
  }

  upgrade(): Promise<UpgradeAnswer> {
    return Promise.reject(new Error("no upgrades in this test"));
  }

  tunnel(): Promise<TunnelAnswer> {
    return Promise.reject(new Error("no tunnels in this test"));
  }

  sockets(): Promise<Sockets> {
    if (!this.endpoint) return Promise.reject(new Error("no sockets in this test"));
    return Promise.resolve(socketsTo(this.endpoint));
  }
}

/** A sandbox that collects output. */
export interface TestSandbox extends Sandbox {
  readonly stdout: Collected;
  readonly stderr: Collected;
}

/** A sandbox with only the given parts. */
export function testSandbox(given: Partial<Omit<Sandbox, "files" | "cluster" | "stdout" | "stderr">> & {
  files?: Partial<Files>;
  cluster?: Cluster;
} = {}): TestSandbox {
  const { files, cluster, ...rest } = given;
  return {
    args: ["plugin"],
    env: [],
    cwd: "/",
    stdin: sourceOf(new Uint8Array()),
    terminals: { stdin: false, stdout: false, stderr: false },
    limits: LEAST.limits,
    trace: () => {},
    giveUp: () => Promise.resolve(),
    listen: (address, port) => openListener(address, port, () => false),
    terminal: () => TerminalControl.open(undefined, stdinSource()),
    record: new RunRecord("/dev/null/none", "plugin", false),
    ...rest,
    stdout: new Collected(),
    stderr: new Collected(),
    files: { mounts: [], overlays: [], protectedPaths: [], unprotectedPaths: [], ...files },
    cluster: () => cluster ? Promise.resolve(cluster) : Promise.reject(new Error("no cluster in this test")),
  };
}

/** Compiles and runs a module or component. */
export async function runBytes(bytes: Uint8Array<ArrayBuffer>, sandbox: Sandbox): Promise<number> {
  return await runProgram(await programOf(bytes), sandbox);
}

/** Runs a compiled program. */
export async function runProgram(program: Program, sandbox: Sandbox): Promise<number> {
  if (program.kind === "component") return await runComponent(program, sandbox);
  return await runPreview1(new WebAssembly.Module(await program.read("plugin.wasm")), sandbox);
}

/** Compiles a plugin, as `krew-wasm run FILE` does. */
export async function programOf(bytes: Uint8Array<ArrayBuffer>): Promise<Program> {
  const { kind, files } = await compilePlugin(bytes);
  return {
    kind,
    files: files.map(({ name }) => name),
    read: async (file) => {
      const found = files.find(({ name }) => name === file);
      if (!found) throw new Error(`There is no ${file}`);
      return await Promise.resolve(found.bytes);
    },
  };
}
