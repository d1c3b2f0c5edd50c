/**
 * Runs kubectl and a plugin, one after the other, with the same home, kubeconfig, environment and flags, against the same
 * server. Compares their results, and what the server saw of each.
 */

import { buildFixture } from "../../scripts/fixtures.ts";
import type { SeenRequest, TestApiServer } from "../../scripts/servers/api_server.ts";
import { findAssets } from "./envtest.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { Product } from "./product.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";

/** A client's result, from its exit code and error text. */
export type Result =
  | "reached"
  | "tls"
  | "unreachable"
  | "credentials"
  | "kubeconfig"
  | "usage"
  | `http ${number}`
  | `? ${string}`;

/** A client's result, and what the server saw. */
export interface Outcome {
  readonly result: Result;
  /** Method, path, and the headers about the user and the client. */
  readonly seen: readonly string[];
}

/** A situation. */
export interface Situation {
  /** `~/.kube/config`: a text, bytes, or an object for JSON; undefined for no file. */
  readonly config?: unknown;
  /** Further files, by path below the home directory. Files that begin with `#!` are programs. */
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The URL for the plugin's request; by default the server's own. */
  readonly server?: string;
  /** The requested path; by default `/version`. */
  readonly path?: string;
  /** A command prefix for both clients. */
  readonly by?: readonly string[];
}

/** The two, ready to be compared. */
export class SideBySide implements Disposable {
  private constructor(readonly product: Product, readonly api: TestApiServer, readonly kubectl: string) {}

  static async start(api: TestApiServer): Promise<SideBySide> {
    const product = Product.make();
    await using registry = TestRegistry.start();
    const artifact = makeArtifact(await Deno.readFile(await buildFixture("outbound")));
    await push(registry.origin, "plugins/outbound", "v1", artifact);
    const { code, stderr } = await product.run("pull", `${registry.host}/plugins/outbound:v1`);
    if (code !== 0) throw new Error(stderr);
    return new SideBySide(product, api, findAssets()!.kubectl);
  }

  [Symbol.dispose](): void {
    this.product[Symbol.dispose]();
  }

  /** Prepares the situation, runs both clients, and cleans up. */
  async compare(situation: Situation): Promise<{ kubectl: Outcome; plugin: Outcome; said: string }> {
    const { config, files = {}, args = [], env = {}, server = this.api.server, path = "/version", by = [] } =
      situation;
    const all = { ...files, ...(config === undefined ? {} : { ".kube/config": textOf(config) }) };
    const { home } = this.product;
    for (const [name, text] of Object.entries(all)) {
      const file = `${home}/${name}`;
      Deno.mkdirSync(file.slice(0, file.lastIndexOf("/")), { recursive: true });
      const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
      Deno.writeFileSync(file, bytes, { mode: bytes[0] === 0x23 && bytes[1] === 0x21 ? 0o755 : 0o600 }); // #!
    }
    const filled = Object.fromEntries(
      Object.entries(env).map(([name, value]) => [name, value.replaceAll("~/", `${home}/`)]),
    );
    try {
      const asked = await this.#run([...by, this.kubectl, "get", "--raw", path, ...args], filled);
      const sent = await this.#run([
        ...by,
        `${this.product.store}/bin/kubectl-outbound`,
        `${server}${path}`,
        ...args,
      ], {
        ...filled,
        KREW_WASM_VERBOSE: "1",
      });
      return {
        kubectl: { result: kubectlResult(asked), seen: asked.seen },
        plugin: { result: pluginResult(sent), seen: sent.seen },
        said: `kubectl: ${asked.stderr}\nplugin: ${sent.stderr}`,
      };
    } finally {
      for (const name of Object.keys(all)) Deno.removeSync(`${home}/${name}`);
    }
  }

  async #run(words: readonly string[], env: Record<string, string>) {
    this.api.seen.length = 0;
    const [program = "", ...args] = words;
    const { code, stdout, stderr } = await this.product.exec(program, args, { env });
    return { code, stdout, stderr, seen: this.api.seen.map(described) };
  }
}

function textOf(config: unknown): string | Uint8Array {
  return typeof config === "string" || config instanceof Uint8Array ? config : JSON.stringify(config);
}

function described({ method, path, headers }: SeenRequest): string {
  const told = [...headers].filter(([name]) => /^(authorization|impersonate-.*|accept-encoding)$/.test(name))
    // A client without compression says so, or omits the header.
    .filter(([name, value]) => name !== "accept-encoding" || value !== "identity")
    .map(([name, value]) => `${name}: ${value}`).sort();
  return [`${method} ${path.replace(/[?&]timeout=[^&]*/, "")}`, ...told].join("\n");
}

interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

// Tried in this order: an error of one kind may quote another.
const KUBECTL: readonly (readonly [words: RegExp, result: Result])[] = [
  [/invalid apiVersion|auth plugin has been removed|applying preferences|!!binary/, "kubeconfig"],
  [/getting credentials|exec plugin|exec: |read empty token/, "credentials"],
  [/certificate-authority|client-cert|private key|PEM|root certificates|client-key/, "kubeconfig"],
  [/x509:|tls: |server gave HTTP response/, "tls"],
  [
    /refused|no such host|dial tcp|Client\.Timeout|deadline exceeded|proxyconnect|socks connect|EOF$/m,
    "unreachable",
  ],
  [/Invalid timeout|invalid argument/, "usage"],
  [/must be logged in|Unauthorized/, "http 401"],
  [/\(Forbidden\)/, "http 403"],
  [
    /config|context|does not exist|authentication method|interactiveMode|must be specified|proxy-url|without impersonating/i,
    "kubeconfig",
  ],
  [/insecure flag|host must be|username\/password|illegal base64|no such file/i, "kubeconfig"],
];

function kubectlResult({ code, stderr }: Run): Result {
  if (code === 0) return "reached";
  return KUBECTL.find(([words]) => words.test(stderr))?.[1] ?? `? ${stderr.slice(0, 300)}`;
}

const PLUGIN: readonly (readonly [words: RegExp, result: Result])[] = [
  [/The credential plugin|token file/, "credentials"],
  [/its certificate (is|has|expired)|TLS handshake/, "tls"],
  [/Cannot reach the API server/, "unreachable"],
  [/--request-timeout=|is neither true nor false/, "usage"],
  [/kubeconfig|config: |not YAML|--|client key|certificates for|PROXY names|kuberc|Preference/, "kubeconfig"],
];

function pluginResult({ code, stdout, stderr }: Run): Result {
  if (code !== 0) return PLUGIN.find(([words]) => words.test(stderr))?.[1] ?? `? ${stderr.slice(0, 300)}`;
  const status = Number(stdout.split("\n", 1)[0]);
  return status === 200 ? "reached" : `http ${status}`;
}
