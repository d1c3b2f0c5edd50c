/** Who the user is, outside of the wall: the credential plugin that the kubeconfig named, and files that are renewed. */

import { AppError } from "../../base/errors.ts";
import { type ClusterAccess, openCluster } from "../../kube/open_cluster.ts";
import { runExecPlugin } from "../../kube/auth/credential_plugin.ts";
import type { Syscalls } from "../kernel/kernel_calls.ts";
import type { Json } from "./channel.ts";
import type { BrokerContext } from "./broker_context.ts";
import { BadMessage } from "./fields.ts";
import { readRenewed } from "./renewed.ts";

/** A run waits for one, and may have called off others that have not ended yet. */
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
      env: Deno.env.toObject(),
      args: args.slice(1),
      home,
      cwd,
      trace: () => {},
      // As it was read before the plugin began: by now it may be another.
      readFile(path) {
        const text = known.get(path);
        if (text === undefined) throw new Deno.errors.NotFound(`No such file: ${path}`);
        return text;
      },
    });
  }

  /**
   * Runs the credential plugin of the user whom kubeconfig and flags chose, with nothing of the plugin's choosing.
   *
   * @param id for {@linkcode cancel}
   * @throws AppError CREDENTIALS_FAILED
   * @throws BadMessage where too many run
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

  /** Ends one that nobody waits for any more. */
  cancel(id: number): void {
    this.#running.get(id)?.abort();
  }

  /** Ends all. */
  end(): void {
    for (const abort of this.#running.values()) abort.abort();
  }

  /** A file that is renewed. @throws AppError CREDENTIALS_FAILED for any other */
  readFile(path: string): string {
    const file = this.#context.renewed.find((each) => each.path === path);
    if (file) return readRenewed(file, this.#system);
    throw new AppError("CREDENTIALS_FAILED", "the kubeconfig does not name it");
  }
}
