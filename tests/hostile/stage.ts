/** The environment of hostile plugins: a home directory with secrets, an API server, and another server as a decoy. */

import assert from "node:assert/strict";
import { buildFixture } from "../../scripts/fixtures.ts";
import { TestApiServer } from "../../scripts/servers/api_server.ts";
import { componentOf } from "../support/components.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { type Outcome, Product } from "../support/product.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";
import type { Form } from "./case.ts";

/** Secrets in the user's files. Each contains a mark that no output may contain. */
const SECRETS: Readonly<Record<string, string>> = {
  ".ssh/id_ed25519": "-----BEGIN OPENSSH PRIVATE KEY----- s3cr3t-ssh",
  ".aws/credentials": "[default]\naws_secret_access_key = s3cr3t-aws\n",
  ".config/gcloud/application_default_credentials.json": '{"refresh_token":"s3cr3t-gcloud"}',
  ".azure/msal_token_cache.json": '{"secret":"s3cr3t-azure"}',
  ".docker/config.json": '{"auths":{"ghcr.io":{"auth":"s3cr3t-docker"}}}',
  ".netrc": "machine x password s3cr3t-netrc\n",
  ".kube/cache/token": "s3cr3t-cache",
  ".bashrc": "# the user's own, s3cr3t-rc\n",
};

/** The user's environment variables. */
const ENVIRONMENT: Readonly<Record<string, string>> = {
  AWS_SECRET_ACCESS_KEY: "s3cr3t-env-aws",
  GITHUB_TOKEN: "s3cr3t-env-github",
  DB_PASSWORD: "s3cr3t-env-db",
  HTTPS_PROXY_PASSWORD: "s3cr3t-env-proxy",
  SSH_AUTH_SOCK: "/tmp/s3cr3t-env-agent",
};

/** The stage. Its getters are the `$NAME`s of cases. */
export class Stage implements AsyncDisposable {
  /** The number of requests before the present case. */
  #seen = 0;
  #decoyHits = 0;
  #decoy: Deno.HttpServer<Deno.NetAddr>;
  readonly outside: string;

  /** The command that starts the plugins, before the program itself. */
  readonly #under: readonly string[];

  private constructor(
    readonly product: Product,
    readonly api: TestApiServer,
    under: readonly string[],
    within: string | undefined,
  ) {
    this.#under = under;
    this.outside = Deno.realPathSync(
      Deno.makeTempDirSync({
        prefix: "krew-wasm-outside-",
        ...(within === undefined ? {} : { dir: within }),
      }),
    );
    this.#decoy = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => {
      this.#decoyHits++;
      return new Response("s3cr3t-metadata");
    });
  }

  /**
   * `interfaces`: also compile the plugin that uses all interfaces of components. `under`: a command that starts the plugins.
   * `within`: the directory for the home directory.
   */
  static async make(
    { binary, interfaces = false, under = [], within }: {
      readonly binary?: string;
      readonly interfaces?: boolean;
      readonly under?: readonly string[];
      readonly within?: string;
    } = {},
  ): Promise<Stage> {
    const product = Product.make(binary, within);
    const stage = new Stage(product, await TestApiServer.start(), under, within);
    Deno.mkdirSync(stage.work);
    await using registry = TestRegistry.start();
    const module = await Deno.readFile(await buildFixture("attack"));
    const plugins = {
      attack: module,
      "attack-component": await componentOf(module),
      "attack-network": await Deno.readFile(await buildFixture("attack-network")),
      ...(interfaces
        ? { "attack-interfaces": await Deno.readFile(await buildFixture("attack-interfaces")) }
        : {}),
    };
    for (const [name, bytes] of Object.entries(plugins)) {
      await push(registry.origin, `plugins/${name}`, "v1", makeArtifact(bytes));
      const { code, stderr } = await product.run("pull", `${registry.host}/plugins/${name}:v1`);
      assert.equal(code, 0, stderr);
    }
    for (const [path, text] of Object.entries(SECRETS)) {
      const full = `${product.home}/${path}`;
      Deno.mkdirSync(full.slice(0, full.lastIndexOf("/")), { recursive: true });
      Deno.writeTextFileSync(full, text);
    }
    Deno.writeTextFileSync(`${product.home}/.kube/config`, stage.api.kubeconfig());
    Deno.writeTextFileSync(`${stage.outside}/file`, "s3cr3t-outside");
    return stage;
  }

  /** Replaces the `$NAME`s in a word of a case. */
  expand(word: string): string {
    const names: Record<string, string> = {
      HOME: this.home,
      STORE: this.product.store,
      WORK: this.work,
      OUTSIDE: this.outside,
      SERVER: this.api.server,
      PORT: new URL(this.api.server).port,
      DECOY: `127.0.0.1:${this.#decoy.addr.port}`,
      DECOYPORT: String(this.#decoy.addr.port),
      TOKEN: this.api.token,
    };
    return word.replaceAll(/\$([A-Z]+)/g, (all, name) => names[name] ?? all);
  }

  get home(): string {
    return this.product.home;
  }

  /** A directory of the user's to grant. New for each case. */
  get work(): string {
    return `${this.home}/work`;
  }

  /** The name of the plugin in a form. */
  plugin(form: Form, network = false): string {
    return network ? "attack-network" : form === "component" ? "attack-component" : "attack";
  }

  /** The plugin's private directory. */
  own(form: Form, network = false): string {
    return `${this.product.store}/data/${this.plugin(form, network)}`;
  }

  /** Runs the plugin. */
  async attack(
    form: Form,
    words: readonly string[],
    options: {
      granted?: string | undefined;
      network?: boolean | undefined;
      /** Runs another plugin instead. */
      plugin?: string;
      env?: Readonly<Record<string, string>> | undefined;
      cwd?: string | undefined;
      stdin?: string;
    } = {},
  ): Promise<Outcome> {
    const plugin = options.plugin ?? this.plugin(form, options.network);
    const own = `${this.product.store}/data/${plugin}`;
    const args = words.map((word) => this.expand(word.replaceAll("$OWN", own)));
    const how = {
      env: { ...ENVIRONMENT, ...options.env },
      cwd: options.cwd === undefined ? this.home : this.expand(options.cwd),
      ...(options.stdin === undefined ? {} : { stdin: options.stdin }),
    };
    const start = (...words: string[]) => {
      const [program = "", ...rest] = [...this.#under, ...words];
      return this.product.exec(program, rest, how);
    };
    if (options.granted === undefined) {
      return await start(`${this.product.store}/bin/kubectl-${plugin.replaceAll("-", "_")}`, ...args);
    }
    const flags = options.granted.split(" ").map((flag) => this.expand(flag.replaceAll("$OWN", own)));
    return await start(this.product.command, "run", ...flags, plugin, "--", ...args);
  }

  /** Restores the stage for the next case. */
  reset(): void {
    try {
      Deno.removeSync(this.work, { recursive: true });
    } catch { /* the first time */ }
    Deno.mkdirSync(`${this.work}/sub`, { recursive: true });
    Deno.writeTextFileSync(`${this.work}/bait`, "bait");
    Deno.writeTextFileSync(`${this.work}/sub/bait`, "bait");
    for (const form of ["preview1", "component"] as const) {
      for (const network of [false, true]) {
        try {
          Deno.removeSync(this.own(form, network), { recursive: true });
        } catch { /* it has not run yet */ }
      }
    }
    this.#seen = this.api.seen.length;
    this.#decoyHits = 0;
  }

  /** `METHOD /path` of the requests since {@linkcode reset}. */
  requests(): string[] {
    return this.api.seen.slice(this.#seen).map(({ method, path }) => `${method} ${path}`);
  }

  /** The headers of the last request. */
  lastHeaders(): Headers {
    return this.api.seen.at(-1)!.headers;
  }

  /** The number of connections to any server but the API server. */
  decoyHits(): number {
    return this.#decoyHits;
  }

  /**
   * The state of every file of the stage: kind, mode, size, time, identity, target. Omits what plugins may change: their
   * private directories, and the host's own record.
   */
  snapshot(): Map<string, string> {
    const files = new Map<string, string>();
    const skipped = new Set([
      `${this.product.store}/data`,
      `${this.product.store}/log`,
      `${this.product.store}/lock`,
      // A run keeps the compiled form of a file, and remembers which modules it has verified.
      `${this.product.store}/cache`,
    ]);
    const visit = (path: string) => {
      if (skipped.has(path) || /\/compiled\/[^/]+\/verified\.json$/.test(path)) return;
      const info = Deno.lstatSync(path);
      const kind = info.isDirectory
        ? "directory"
        : info.isSymlink
        ? `link to ${Deno.readLinkSync(path)}`
        : "file";
      const state = info.isDirectory ? [] : [info.size, info.mtime?.getTime(), info.nlink];
      files.set(path, [kind, (info.mode ?? 0).toString(8), info.ino, ...state].join(" "));
      if (info.isDirectory) { for (const { name } of Deno.readDirSync(path)) visit(`${path}/${name}`); }
    };
    visit(this.home);
    visit(this.outside);
    return files;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.product[Symbol.dispose]();
    Deno.removeSync(this.outside, { recursive: true });
    await this.#decoy.shutdown();
    await this.api[Symbol.asyncDispose]();
  }
}
