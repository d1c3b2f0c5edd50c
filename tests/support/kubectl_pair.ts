/** The native kubectl and tests/fixtures/kubectl-plugin side by side, each in namespaces of its own. */

import assert from "node:assert/strict";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";
import type { ControlPlane } from "./envtest.ts";
import { goVariables } from "./go_plugin.ts";
import { type CommandLine, KUBECTL_SOURCE, withoutVarying } from "./kubectl_commands.ts";
import { type Outcome, Product } from "./product.ts";

/** One of the two, in a namespace. */
export interface Side {
  readonly namespace: string;
  /** Runs a line of /bin/sh. */
  readonly run: (line: string) => Promise<Outcome>;
  /** Runs a line with the native kubectl in the same namespace. @throws AssertionError if it fails */
  readonly prepare: (line: string) => Promise<void>;
  /** Starts a program. */
  readonly start: (...args: string[]) => Deno.ChildProcess;
}

/** A topic: a namespace for each of the two. */
export class Scene {
  constructor(readonly native: Side, readonly plugin: Side) {}

  /** Runs a line on both sides. Returns undefined, or what differs. @throws AssertionError if a preparation fails */
  async compare({ line, prepares }: CommandLine): Promise<string | undefined> {
    const sides = [this.native, this.plugin] as const;
    if (prepares) {
      for (const { prepare } of sides) await prepare(line);
      return undefined;
    }
    const outcomes = sides.map(async ({ run, namespace }) => named(await run(line), namespace));
    const [expected, own] = await Promise.all(outcomes) as [Outcome, Outcome];
    return difference(line, expected, own);
  }
}

/** The two, installed. */
export class KubectlPair implements AsyncDisposable {
  private constructor(
    readonly product: Product,
    private readonly plane: ControlPlane,
    private readonly kubelet: Deno.HttpServer<Deno.NetAddr>,
  ) {}

  /** Builds the plugin (KREW_WASM_KUBECTL names one that is built) and pulls it. Needs Go. */
  static async make(plane: ControlPlane): Promise<KubectlPair> {
    const product = Product.make();
    const files = `${product.home}/files`;
    await run("cp", ["-R", `${KUBECTL_SOURCE}/files`, files]);
    const { cert, key } = await plane.authority.issue({ commonName: "web", hosts: ["web.example.com"] });
    Deno.writeTextFileSync(`${files}/tls.crt`, cert);
    Deno.writeTextFileSync(`${files}/tls.key`, key);
    await plane.run("apply", "-f", `${files}/cluster.yaml`);
    await plane.run("wait", "--for=condition=Established", "crd", "--all");
    const wasm = Deno.env.get("KREW_WASM_KUBECTL") ?? `${product.home}/kubectl.wasm`;
    if (Deno.env.get("KREW_WASM_KUBECTL") === undefined) await buildKubectl(product, plane.kubectl, wasm);
    await using registry = TestRegistry.start();
    await push(registry.origin, "plugins/kubectl", "v1", makeArtifact(await Deno.readFile(wasm)));
    const pulled = await product.run("pull", `--allow-read=${files}`, `${registry.host}/plugins/kubectl:v1`);
    assert.equal(pulled.code, 0, pulled.stderr);
    const programs = { native: plane.kubectl, plugin: `${product.store}/bin/kubectl-kubectl` };
    for (const [name, program] of Object.entries(programs)) {
      Deno.mkdirSync(`${product.home}/${name}`);
      Deno.writeTextFileSync(`${product.home}/${name}/kubectl`, `#!/bin/sh\nexec ${program} "$@"\n`, {
        mode: 0o755,
      });
    }
    return new KubectlPair(product, plane, serveLogs({ cert, key }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.product[Symbol.dispose]();
    await this.kubelet.shutdown();
  }

  /** Makes the namespaces of a topic. */
  async scene(topic: string): Promise<Scene> {
    return new Scene(await this.#side(topic, "native"), await this.#side(topic, "plugin"));
  }

  async #side(topic: string, name: "native" | "plugin"): Promise<Side> {
    const { home } = this.product;
    const namespace = `${topic}-${name}`;
    await this.plane.run("create", "namespace", namespace);
    const config = JSON.parse(Deno.readTextFileSync(this.plane.kubeconfig));
    for (const { context } of config.contexts) context.namespace = namespace;
    const kubeconfig = `${home}/${namespace}.config`;
    Deno.writeTextFileSync(kubeconfig, JSON.stringify(config));
    const options = (program: string) => ({
      cwd: `${home}/files`,
      env: {
        PATH: `${home}/${program}:/usr/bin:/bin`, // no plugin, which `kubectl --help` would list
        NS: namespace,
        KUBECONFIG: kubeconfig,
        KUBELET: String(this.kubelet.addr.port),
      },
    });
    return {
      namespace,
      run: (line) => this.product.exec("/bin/sh", ["-c", line], options(name)),
      prepare: async (line) => {
        const { code, stderr } = await this.product.exec("/bin/sh", ["-c", line], options("native"));
        assert.equal(code, 0, `${line}: ${stderr}`);
      },
      start: (...args) => this.product.start(`${home}/${name}/kubectl`, args, options(name)),
    };
  }
}

/** An outcome with `NAMESPACE` for the namespace, which both names fill to the same width. */
function named({ code, stdout, stderr }: Outcome, namespace: string): Outcome {
  const plain = (text: string) => text.replaceAll(namespace, "NAMESPACE");
  return { code, stdout: plain(stdout), stderr: plain(stderr) };
}

function difference(line: string, expected: Outcome, own: Outcome): string | undefined {
  const parts = (["stdout", "stderr"] as const).flatMap((stream) => {
    if (expected[stream] === own[stream]) return [];
    const [wanted, got] = [withoutVarying(expected[stream]), withoutVarying(own[stream])];
    return wanted === got ? [] : [`${stream} native:\n${wanted}${stream} plugin:\n${got}`];
  });
  if (expected.code !== own.code) parts.push(`exit code ${own.code}, native ${expected.code}\n`);
  return parts.length === 0 ? undefined : `$ ${line}\n${parts.join("")}`;
}

/** Serves containers' logs as a kubelet does: what it was asked for, and three lines. */
function serveLogs(pair: { cert: string; key: string }): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {}, ...pair }, (request) => {
    const { pathname, search, searchParams } = new URL(request.url);
    const [, door, , pod, container] = pathname.split("/");
    if (door !== "containerLogs") return new Response("404 page not found\n", { status: 404 });
    const lines = [`${pod} ${container} ${search}`, "one", "two", "no newline at the end"];
    if (!searchParams.has("follow")) return new Response(lines.join("\n"));
    return new Response(ReadableStream.from(lines.map((line) => new TextEncoder().encode(`${line}\n`))));
  });
}

/** Builds it with the version that the native kubectl tells of itself. */
async function buildKubectl(product: Product, native: string, wasm: string): Promise<void> {
  const env = await goVariables();
  const { clientVersion } = JSON.parse(await run(native, ["version", "--client", "-o", "json"]));
  const values = {
    gitVersion: clientVersion.gitVersion,
    gitMajor: clientVersion.major,
    gitMinor: clientVersion.minor,
    gitCommit: clientVersion.gitCommit,
    gitTreeState: clientVersion.gitTreeState,
    buildDate: clientVersion.buildDate,
  };
  const flags = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"].flatMap((name) =>
    Object.entries(values).map(([variable, value]) => `-X ${name}.${variable}=${value}`)
  );
  const built = await product.exec(product.command, [
    ...["build", KUBECTL_SOURCE, "-o", wasm, "--", "-ldflags", flags.join(" ")],
  ], { env });
  assert.equal(built.code, 0, built.stderr);
}

async function run(program: string, args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}
