/**
 * krew-wasm as the broker of a run, which spawn_broker.ts starts. It runs outside of the kernel's restriction. For the run
 * it does what the run may no longer do, within the grants from before the plugin began and those that a person adds at the
 * terminal. Its client may be a plugin that broke out of its sandbox.
 *
 * - It asks the person, opens what they grant, and saves lasting grants.
 * - It starts the kubeconfig's credential plugin, and reads the kubeconfig's token and certificate files again.
 */

import { AppError } from "../../base/errors.ts";
import { Syscalls } from "../kernel/kernel_calls.ts";
import type { RunHost } from "../../run/run.ts";
import type { Mount } from "../types.ts";
import { printable } from "../../base/text.ts";
import type { FileTree } from "../../wasi/files/file_tree.ts";
import { Channel, type Json, MAX_MESSAGE } from "./channel.ts";
import { type BrokerContext, parseContext } from "./broker_context.ts";
import type { Credentials } from "./credential_plugins.ts";
import { BadMessage, Fields } from "./fields.ts";
import { failureToJson, mountOf } from "./remote_file_calls.ts";
import type { Answer, FileService } from "./file_service.ts";
import type { Questions } from "./questions.ts";
import { CHANNEL, loadLater } from "./spawn_broker.ts";

const F_DUPFD_CLOEXEC = 1030;

/**
 * Serves a run until it ends. `args` are descriptors (spawn_broker.ts).
 *
 * @returns the exit code, which nothing uses
 */
export async function runBroker(args: readonly string[], host: RunHost): Promise<number> {
  const [contextFile = NaN, later = NaN, stdout = NaN] = args.map(Number);
  const system = Syscalls.load();
  if (!system || !(contextFile > 2)) throw new AppError("USAGE", "krew-wasm starts its broker itself");
  const asked = new Channel(system, takeChannel(system, stdout), loadLater());
  const text = new TextDecoder().decode(system.readAll(contextFile, MAX_MESSAGE));
  system.close(contextFile);
  Deno.permissions.revokeSync({ name: "net" });
  const service = new Service(text, host, system);
  if (later > 2) serveLater(system, new Channel(system, ownOf(system, later), loadLater()), service);
  for (let message = await next(system, asked); message !== undefined; message = await next(system, asked)) {
    const answer = await service.answer(message);
    if (!asked.send(answer.message, answer.files)) break;
  }
  await service.end();
  return 0;
}

/** Takes the channel from the place of stdout. stdout then becomes the run's if that is a terminal, or else stderr. */
function takeChannel(system: Syscalls, stdout: number): number {
  const { fcntl, dup3 } = system.numbers;
  const channel = Number(system.call(fcntl, CHANNEL, F_DUPFD_CLOEXEC, 3));
  system.call(dup3, stdout > 2 ? stdout : 2, CHANNEL, 0);
  if (stdout > 2) system.close(stdout);
  return channel;
}

/** Moves a descriptor to another number, which started programs do not inherit. */
function ownOf(system: Syscalls, fd: number): number {
  const own = Number(system.call(system.numbers.fcntl, fd, F_DUPFD_CLOEXEC, 3));
  system.close(fd);
  return own;
}

/** The next message, without its files; undefined at the end, or for an invalid message. */
async function next(system: Syscalls, channel: Channel): Promise<Json | undefined> {
  try {
    const packet = await channel.receiveLater();
    for (const file of packet?.files ?? []) system.close(file);
    return packet?.message;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Serves calls that run beside others: credential plugins. */
async function serveLater(system: Syscalls, channel: Channel, service: Service): Promise<void> {
  for (
    let message = await next(system, channel);
    message !== undefined;
    message = await next(system, channel)
  ) service.answerLater(message, (answer) => channel.send(answer));
}

/** Answers messages. Loads what a kind of message needs when the first one comes. */
class Service {
  #text: string;
  #host: RunHost;
  #system: Syscalls;
  #context: BrokerContext | undefined;
  #files: Promise<{ readonly tree: FileTree; readonly service: FileService }> | undefined;
  #questions: Promise<Questions> | undefined;
  #credentials: Promise<Credentials> | undefined;

  constructor(text: string, host: RunHost, system: Syscalls) {
    this.#text = text;
    this.#host = host;
    this.#system = system;
  }

  /** Never throws an error that the message caused. */
  async answer(message: Json): Promise<Answer> {
    try {
      const fields = new Fields(message);
      switch (fields.text("ask")) {
        case "person":
          return { message: await (await this.#asking()).ask(fields) };
        case "kubeconfig":
          await (await this.#asking()).changeKubeconfig(fields);
          return { message: {} };
        case "settle":
          await (await this.#questions)?.settle();
          return { message: {} };
        case "read":
          return { message: { text: (await this.#withCredentials()).readFile(fields.text("path")) } };
        case "mount":
          return { message: { node: await this.#mount(mountOf(fields.fields("mount"))) } };
        case "file":
          return (await this.#opened()).service.call(fields.text("name"), fields);
        default:
          throw new BadMessage("it asks for nothing that there is");
      }
    } catch (error) {
      return { message: failureToJson(error) };
    }
  }

  /** Answers later, or never if the call was cancelled. */
  async answerLater(message: Json, send: (message: Json) => void): Promise<void> {
    let id = -1;
    try {
      const fields = new Fields(message);
      id = fields.number("id");
      const credentials = await this.#withCredentials();
      if (fields.text("ask") === "cancel") return credentials.cancel(id);
      send({ id, ...await credentials.run(id) });
    } catch (error) {
      send({ id, ...failureToJson(error) });
    }
  }

  /** Ends with the run: saves lasting grants and ends running programs. */
  async end(): Promise<void> {
    try {
      (await this.#credentials)?.end();
      await (await this.#questions)?.settle();
    } catch { /* nobody is there to be told */ }
  }

  get #facts(): BrokerContext {
    return this.#context ??= parseContext(this.#text);
  }

  #asking(): Promise<Questions> {
    return this.#questions ??= (async () => {
      const [{ Questions }, { tree }] = await Promise.all([import("./questions.ts"), this.#opened()]);
      return await Questions.open(this.#facts, this.#host, tree);
    })();
  }

  #withCredentials(): Promise<Credentials> {
    return this.#credentials ??= import("./credential_plugins.ts").then(({ Credentials }) =>
      new Credentials(this.#facts, this.#system)
    );
  }

  #opened(): Promise<{ readonly tree: FileTree; readonly service: FileService }> {
    return this.#files ??= (async () => {
      const { files } = this.#facts;
      const [{ openTree }, { FileService, namedOverlays }] = await Promise.all([
        import("../../wasi/files/open_tree.ts"),
        import("./file_service.ts"),
      ]);
      const tree = await openTree({ ...files, overlays: namedOverlays(files.overlaid) });
      return { tree, service: new FileService(tree, files.overlaid) };
    })();
  }

  async #mount(mount: Mount): Promise<number> {
    const permitted = this.#questions !== undefined && (await this.#questions).permits(mount);
    if (!permitted) throw new AppError("GRANT_INVALID", `Nobody granted "${printable(mount.host, 200)}"`);
    return (await this.#opened()).service.mount(mount);
  }
}
