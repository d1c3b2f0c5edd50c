/**
 * The user's credentials outside of the kernel's restriction: runs the kubeconfig's credential plugin, and reads renewed
 * files.
 */

import { environment } from "../../base/environment.ts";
import { AppError } from "../../base/errors.ts";
import { type ClusterAccess, openCluster } from "../../kube/open_cluster.ts";
import { runExecPlugin } from "../../kube/auth/credential_plugin.ts";
import type { Syscalls } from "../kernel/kernel_calls.ts";
import type { Json } from "./channel.ts";
import type { BrokerContext } from "./broker_context.ts";
import { BadMessage } from "./fields.ts";
import { readRenewed } from "./renewed.ts";

/** Limit on running plugins: the one that a run waits for, and cancelled ones that have not ended. */
const MOST_AT_ONCE = 8;

/** The credentials of one run. */
export class Credentials {
  #context: BrokerContext;
  #system: Syscalls;
  #access: ClusterAccess;
  #running = new Map<number, AbortController>();

  constructor(context: BrokerContext, system: Syscalls) {
    const { args, home, cwd, texts } = context;
    const known = new Map(texts);
    this.#context = context;
    this.#system = system;
    this.#access = openCluster({
      env: environment(),
      args: args.slice(1),
      home,
      cwd,
      trace: () => {},
      // As it was before the plugin began: the file may have changed since.
      readFile(path) {
        const text = known.get(path);
        if (text === undefined) throw new Deno.errors.NotFound(`No such file: ${path}`);
        return text;
      },
    });
  }

  /**
   * Runs the credential plugin of the user that kubeconfig and flags chose. The WebAssembly plugin chooses nothing about
   * it.
   *
   * @param id for {@linkcode cancel}
   * @throws AppError CREDENTIALS_FAILED
   * @throws BadMessage if too many run
   */
  async run(id: number): Promise<Readonly<Record<string, Json>>> {
    if (this.#running.size >= MOST_AT_ONCE || this.#running.has(id)) throw new BadMessage("it runs already");
    const abort = new AbortController();
    this.#running.set(id, abort);
    try {
      const connection = await this.#access.connection();
      const { exec } = connection;
      if (!exec) throw new AppError("CREDENTIALS_FAILED", "The user has no credential plugin");
      const { token, certificate, expires } = await runExecPlugin(exec, connection, abort.signal);
      return {
        token: token ?? null,
        cert: certificate?.cert ?? null,
        key: certificate?.key ?? null,
        expires: expires === Infinity ? null : expires,
      };
    } finally {
      this.#running.delete(id);
    }
  }

  /** Ends a credential plugin whose result is not needed any more. */
  cancel(id: number): void {
    this.#running.get(id)?.abort();
  }

  /** Ends all of them. */
  end(): void {
    for (const abort of this.#running.values()) abort.abort();
  }

  /** Reads a renewed file. @throws AppError CREDENTIALS_FAILED for any other file */
  readFile(path: string): string {
    const file = this.#context.renewed.find((each) => each.path === path);
    if (file) return readRenewed(file, this.#system);
    throw new AppError("CREDENTIALS_FAILED", "the kubeconfig does not name it");
  }
}
