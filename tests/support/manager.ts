/** The manager with a store, a home directory and a registry of its own, without a process. */

import assert from "node:assert/strict";
import { runManager } from "../../cli/app.ts";
import type { Context } from "../../cli/context.ts";
import { type Layout, layoutAt } from "../../runtime/store/layout.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";
import { makeWasm } from "./store.ts";
import { temporaryDirectory } from "./temporary.ts";
import { unusedHost } from "./unused_host.ts";

/** What a command line printed, and its exit code. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs command lines through the command tree. */
export class Manager implements AsyncDisposable {
  readonly home: string = temporaryDirectory();
  readonly layout: Layout = layoutAt(`${this.home}/.krew-wasm`);
  readonly registry: TestRegistry = TestRegistry.start();
  /** Beside HOME. */
  readonly env: Record<string, string> = {};
  #time = Date.parse("2026-01-01T00:00:00Z");

  constructor() {
    Deno.mkdirSync(this.layout.root, { mode: 0o700 });
    // Keep tests away from docker.io.
    Deno.writeTextFileSync(this.layout.registries, "registries: { docker.io: { blocked: true } }\n");
  }

  /** Runs a command line. Each takes a second. */
  async run(...args: readonly string[]): Promise<Outcome> {
    const written = { stdout: "", stderr: "" };
    const context: Context = {
      stdout: (text) => void (written.stdout += text),
      stderr: (text) => void (written.stderr += text),
      env: (name) => name === "HOME" ? this.home : this.env[name],
      cwd: () => this.home,
      layout: () => this.layout,
      now: () => new Date(this.#time += 1000),
      policyPath: this.policy,
      stderrIsTerminal: false,
      verbose: false,
    };
    return { code: await runManager(args, unusedHost, context), ...written };
  }

  /** Runs a command line that must succeed. Returns its stdout. */
  async succeed(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...args);
    assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** Runs a command line with `-o json`. Returns what it printed. */
  async json(...args: readonly string[]): Promise<unknown> {
    return JSON.parse(await this.succeed(...args, "-o", "json"));
  }

  /** Runs a command line that must fail with this exit code and an error on stderr. Returns its stderr. */
  async fail(code: number, ...args: readonly string[]): Promise<string> {
    const outcome = await this.run(...args);
    assert.equal(outcome.code, code, `${args.join(" ")}: ${outcome.stdout}${outcome.stderr}`);
    assert.match(outcome.stderr, /^error: \S/m);
    return outcome.stderr;
  }

  /** Pushes a plugin that does nothing. `reference` as `acme/foo:v1`. Returns the full reference. */
  async push(reference: string, wasm: Uint8Array = makeWasm(reference)): Promise<string> {
    const [repository = "", tag = ""] = reference.split(":");
    await push(this.registry.origin, repository, tag, makeArtifact(wasm, "cncf"));
    return `${this.registry.host}/${reference}`;
  }

  /** Pushes a plugin and pulls it. Returns its full reference. */
  async install(reference: string, ...flags: readonly string[]): Promise<string> {
    const full = await this.push(reference);
    await this.succeed("pull", full, ...flags);
    return full;
  }

  /** The path of the administrator's policy. */
  get policy(): string {
    return `${this.home}/policy.yaml`;
  }

  /** Writes a file in the home directory. Returns its path. */
  write(name: string, content: string | Uint8Array): string {
    const path = `${this.home}/${name}`;
    if (typeof content === "string") Deno.writeTextFileSync(path, content);
    else Deno.writeFileSync(path, content);
    return path;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.registry[Symbol.asyncDispose]();
  }
}
