// deno-lint-ignore-file no-console -- a script prints to its user

/**
 * `deno task demo [--real]`: shows the whole product in a minute. Builds a TypeScript plugin, pushes it to a local registry,
 * pulls it, and runs it through kubectl with a local API server, in a temporary HOME. With --real and KUBECONFIG it uses
 * that cluster, read-only.
 */

import { fileURLToPath } from "node:url";
import { shellQuoted } from "../runtime/base/text.ts";
import { TestApiServer } from "./servers/api_server.ts";
import { makeArtifact, push } from "./servers/artifacts.ts";
import { findProgram } from "../tests/support/programs.ts";
import { TestRegistry } from "./servers/oci_registry.ts";
import { buildFixture } from "./fixtures.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const real = Deno.args.includes("--real");
const realConfig = Deno.env.get("KUBECONFIG");
if (real && !realConfig) {
  console.error("error: --real needs KUBECONFIG");
  Deno.exit(2);
}

const bold = (text: string) => Deno.stdout.isTerminal() && !Deno.noColor ? `\x1b[1m${text}\x1b[0m` : text;
const say = (text: string) => console.log(text);

/** Prints a step and its time. */
async function step<T>(what: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const result = await work();
  say(`# ${what} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
  return result;
}

const home = await Deno.realPath(await Deno.makeTempDir({ prefix: "krew-wasm-demo-" }));
const cleanUp = () => {
  try {
    Deno.removeSync(home, { recursive: true });
  } catch { /* removed already */ }
};
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => {
    cleanUp();
    Deno.exit(130);
  });
}

try {
  await demo();
} finally {
  cleanUp();
}
Deno.exit(0); // servers may have idle connections

async function demo(): Promise<void> {
  const bin = `${home}/bin`;
  await Deno.mkdir(bin);
  const krewWasm = await step("krew-wasm is built", () => installManager(bin));
  const whoami = await step("a plugin is built from examples/whoami/whoami.ts", () => buildFixture("whoami"));
  const events = await step("another from examples/events/events.ts", () => buildFixture("events"));

  await using registry = TestRegistry.start();
  await using api = await TestApiServer.start();
  const repository = "plugins";
  await push(registry.origin, `${repository}/whoami`, "v1", makeArtifact(await Deno.readFile(whoami)));
  await push(registry.origin, `${repository}/events`, "v1", makeArtifact(await Deno.readFile(events)));
  say(
    `# a registry at ${registry.host} holds both, ${
      real ? "the cluster is your own" : `an API server is at ${api.server}`
    }`,
  );

  let kubeconfig = realConfig ?? "";
  if (!real) {
    kubeconfig = `${home}/.kube/config`;
    await Deno.mkdir(`${home}/.kube`);
    await Deno.writeTextFile(kubeconfig, api.kubeconfig(), { mode: 0o600 });
    for (
      const [name, reason, message] of [["a", "Scheduled", "assigned web to node-1"], [
        "b",
        "Started",
        "started container web",
      ]]
    ) {
      addEvent(api, name!, reason!, message!);
    }
  }
  const kubectl = findProgram("kubectl");
  const env = {
    HOME: home,
    KUBECONFIG: kubeconfig,
    PATH: `${home}/.krew-wasm/bin:${bin}:${Deno.env.get("PATH") ?? ""}`,
    // Reuse this process's cache of packages for the other HOME.
    ...(Deno.env.get("DENO_DIR") ? {} : { DENO_DIR: denoDirectory() }),
  };
  if (!kubectl) {
    say("# kubectl is not on PATH: its plugins are called by their own names, as kubectl would call them");
  }
  const plugin = (name: string) => kubectl ? ["kubectl", name] : [`kubectl-${name.replaceAll("-", "_")}`];
  const shell = (command: string, during?: (output: string) => void) => run(command, env, during);

  await shell(`${krewWasm} pull ${registry.host}/${repository}/whoami:v1`);
  await shell(`${krewWasm} pull ${registry.host}/${repository}/events:v1 --name watch-events`);
  await shell(`${krewWasm} list`);
  await shell(words(...plugin("whoami")));
  await shell(`${words(...plugin("whoami"))} -o json | grep username`);
  if (real) await shell(`${words(...plugin("watch-events"))} -A --once | head -n 5`);
  else {
    let added = false;
    await shell(`${words(...plugin("watch-events"))} --max 3`, (output) => {
      // After the first lines the watch is open, so the third event happens while it runs.
      if (!added && output.includes("started container")) {
        added = true;
        addEvent(api, "c", "Killing", "stopping container web");
      }
    });
  }
  await shell(`${words(...plugin("whoami"))} --no-such-flag; echo "exit code $?"`);
  await shell(`${krewWasm} rm whoami watch-events`);
}

/** Builds the binary, or a launcher of the sources if this Deno can't compile. Returns the command. */
async function installManager(bin: string): Promise<string> {
  const launcher = `${bin}/krew-wasm`;
  try {
    const { compile } = await import("./compile.ts");
    await compile({ output: launcher });
    const { success } = await new Deno.Command(launcher, {
      args: ["version"],
      stdout: "null",
      stderr: "null",
    }).output();
    if (!success) throw new Error("what it made does not start");
  } catch (error) {
    say(`# deno compile can't make a binary here (${reason(error)}): the same steps run from source`);
    const command = [Deno.execPath(), "run", "--quiet", "--allow-all", "--no-prompt", `${root}main.ts`];
    await Deno.writeTextFile(launcher, `#!/bin/sh\nexec ${command.map(shellQuoted).join(" ")} "$@"\n`, {
      mode: 0o755,
    });
  }
  return "krew-wasm";
}

/** The error in one line, with the URL of a failed download. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const url = /error sending request for url \((\S+)\)/.exec(String(error.cause))?.[1];
  return url === undefined ? error.message.split("\n")[0]! : `it can't get ${url}`;
}

function denoDirectory(): string {
  const { stdout } = new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).outputSync();
  return (JSON.parse(new TextDecoder().decode(stdout)) as { denoDir: string }).denoDir;
}

function words(...command: string[]): string {
  return command.map(shellQuoted).join(" ");
}

/** Prints a command as a user types it, and its output. */
async function run(
  command: string,
  env: Record<string, string>,
  during: (output: string) => void = () => {},
): Promise<void> {
  say(`\n${bold(`$ ${command}`)}`);
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", `exec 2>&1; ${command}`],
    env,
    stdin: "null",
    stdout: "piped",
  }).spawn();
  let output = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    output += chunk;
    await Deno.stdout.write(new TextEncoder().encode(chunk));
    during(output);
  }
  const { code } = await child.status;
  if (code !== 0) throw new Error(`${command} ended with exit code ${code}`);
}

function addEvent(api: TestApiServer, name: string, reason: string, message: string): void {
  api.add("events", {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name, namespace: "default" },
    type: "Normal",
    reason,
    message,
    lastTimestamp: new Date().toISOString(),
    involvedObject: { kind: "Pod", name: "web", namespace: "default" },
  });
}
