/** The run's side of its broker: sends messages for what the kernel refuses to the run. broker_main.ts answers. */

import type { About, Reply } from "../permission_request_types.ts";
import { AppError } from "../../base/errors.ts";
import type { CredentialHelper } from "../../kube/auth/user_credentials.ts";
import type { ExecCredential } from "../../kube/auth/credential_plugin.ts";
import type { ContextChange } from "../../kube/config/changes/context_changes.ts";
import type { Syscalls } from "../kernel/kernel_calls.ts";
import { Interrupted } from "../dialog.ts";
import type { FileCalls } from "../types.ts";
import type { Json, Packet } from "./channel.ts";
import { type BrokerContext, formatContext } from "./broker_context.ts";
import { Fields } from "./fields.ts";
import { fileCalls, throwFailure } from "./remote_file_calls.ts";
import { startBroker, type Started } from "./spawn_broker.ts";

/** A broker that waits or works. */
export class Broker {
  readonly files: FileCalls;
  readonly credentials: CredentialHelper;
  #started: Started;
  #last = 0;
  #pending = new Map<number, (fields: Fields | undefined) => void>();

  private constructor(started: Started) {
    this.#started = started;
    this.files = fileCalls((message) => this.#request(message));
    this.credentials = {
      runExecPlugin: (signal) => this.#runExecPlugin(signal),
      readFile: (path) => this.#readFile(path),
    };
  }

  /**
   * Starts a broker before the process restricts itself.
   *
   * @param credentials whether it may have to start a credential plugin
   * @returns undefined if no process can be started
   */
  static start(system: Syscalls, context: BrokerContext, credentials: boolean): Broker | undefined {
    const started = startBroker(system, formatContext(context), credentials);
    return started && new Broker(started);
  }

  /** Asks the person at the terminal; undefined if nobody was asked. @throws Interrupted */
  ask(about: About): Reply | undefined {
    const fields = new Fields(this.#request({ ask: "person", ...aboutToJson(about) }).message);
    throwFailure(fields);
    if (fields.flagOrNone("interrupted")) throw new Interrupted("Interrupted at a question");
    const reply = fields.fieldsOrNone("reply");
    return reply && { answer: reply.text("answer") as Reply["answer"], wider: reply.flag("wider") };
  }

  /** Changes contexts in the user's kubeconfig, as just allowed. @throws AppError KUBECONFIG_UNCHANGED */
  changeKubeconfig(changes: readonly ContextChange[]): void {
    throwFailure(
      new Fields(this.#request({ ask: "kubeconfig", changes: changes.map((each) => ({ ...each })) }).message),
    );
  }

  /** Waits until lasting grants are saved. @throws AppError STORE_… */
  settle(): void {
    if (this.#started.isAwake()) throwFailure(new Fields(this.#request({ ask: "settle" }).message));
  }

  /** Reads a file as it is now, in this process if the kernel allows it. */
  #readFile(path: string): string {
    try {
      return Deno.readTextFileSync(path);
    } catch (error) {
      // The file was replaced: the kernel's rule is about the old one.
      if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
      const fields = new Fields(this.#request({ ask: "read", path }).message);
      throwFailure(fields);
      return fields.text("text");
    }
  }

  async #runExecPlugin(signal: AbortSignal): Promise<ExecCredential> {
    const { later, wake } = this.#started;
    const id = ++this.#last;
    const answer = new Promise<Fields | undefined>((resolve) => this.#pending.set(id, resolve));
    wake();
    later!.send({ ask: "credential", id });
    signal.addEventListener("abort", () => later!.send({ ask: "cancel", id }), { once: true });
    if (this.#pending.size === 1) this.#receive();
    const fields = await answer;
    if (!fields) throw ended();
    throwFailure(fields);
    const [cert, key] = [fields.textOrNone("cert"), fields.textOrNone("key")];
    return {
      token: fields.textOrNone("token"),
      certificate: cert === undefined || key === undefined ? undefined : { cert, key },
      expires: fields.numberOrNone("expires") ?? Infinity,
    };
  }

  /** Delivers answers as long as calls wait for any. */
  async #receive(): Promise<void> {
    while (this.#pending.size > 0) {
      const packet = await this.#started.later!.receiveLater();
      if (!packet) {
        for (const resolve of this.#pending.values()) resolve(undefined);
        return this.#pending.clear();
      }
      const fields = new Fields(packet.message);
      const id = fields.number("id");
      this.#pending.get(id)?.(fields);
      this.#pending.delete(id);
    }
  }

  #request(message: Readonly<Record<string, Json>>): Packet {
    const { asked, wake } = this.#started;
    wake();
    const packet = asked.send(message) ? asked.receive() : undefined;
    if (!packet) throw ended();
    return packet;
  }
}

function ended(): AppError {
  return new AppError(
    "INTERNAL",
    "The process of krew-wasm that waits outside of the kernel's restriction has ended",
  );
}

function aboutToJson(about: About): Readonly<Record<string, Json>> {
  if ("cluster" in about) {
    const { info } = about.cluster;
    return { about: "cluster", info: info === undefined ? null : { ...info } };
  }
  if ("listener" in about) return { about: "listener", ...about.listener };
  if ("kubeconfig" in about) {
    return { about: "kubeconfig", changes: about.kubeconfig.changes.map((each) => ({ ...each })) };
  }
  const { kind, path, directory } = about.file;
  return { about: "file", path, write: kind === "write", directory };
}
