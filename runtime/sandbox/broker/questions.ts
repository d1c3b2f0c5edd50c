/**
 * Asks questions outside of the kernel's restriction. The question, and the grant of an answer, come from the request
 * itself, never from words of the other process. Lasting grants are saved here.
 */

import { AppError } from "../../base/errors.ts";
import { PermissionRequests } from "../permission_requests.ts";
import type { Reply } from "../permission_request_types.ts";
import { claimedRequest, socketRequest } from "../../kube/allow/authorize_request.ts";
import type { RequestInfo } from "../../kube/allow/request_info.ts";
import { governed, type RunHost } from "../../run/run.ts";
import { Interrupted } from "../dialog.ts";
import { terminalAsk } from "../prompt.ts";
import { RunRecord } from "../run_record.ts";
import type { Mount } from "../types.ts";
import { LOOPBACK } from "../../grants/listen_grant.ts";
import { layoutAt } from "../../store/layout.ts";
import type { FileTree } from "../../wasi/files/file_tree.ts";
import { realIn } from "../../wasi/files/ungranted_paths.ts";
import type { Json } from "./channel.ts";
import type { BrokerContext } from "./broker_context.ts";
import type { ChangedKubeconfig } from "./changed_kubeconfig.ts";
import { BadMessage, type Fields } from "./fields.ts";

/** A file or directory that a person granted. */
interface Approved {
  readonly real: string;
  readonly directory: boolean;
  readonly write: boolean;
  /** The grant is for once: opening the file uses it up. */
  readonly once: boolean;
}

/** The questions of one run. */
export class Questions {
  #tree: FileTree;
  #permissionRequests: PermissionRequests;
  /** The reply to the last question. */
  #reply: Reply | undefined;
  #approved: Approved[] = [];
  /** The changes of contexts that a person allowed once, as JSON. */
  #allowedOnce: string | undefined;
  #kubeconfig: Promise<ChangedKubeconfig> | undefined;
  #context: BrokerContext;

  private constructor(
    context: BrokerContext,
    tree: FileTree,
    permissionRequests: (reply: (reply: Reply | undefined) => void) => PermissionRequests,
  ) {
    this.#context = context;
    this.#tree = tree;
    this.#permissionRequests = permissionRequests((reply) => this.#reply = reply);
  }

  /** @throws AppError POLICY_… */
  static async open(context: BrokerContext, host: RunHost, tree: FileTree): Promise<Questions> {
    const { bounds, installed, plugin, root, args } = context;
    const layout = layoutAt(root);
    const administrator = bounds
      ? (await governed(bounds.judged, layout, bounds.policy)).administrator
      : undefined;
    // If the run was killed meanwhile, nobody needs the answer.
    const isOver = () => Deno.ppid !== context.pid;
    const ask = context.asks ? terminalAsk(installed, Deno.env.get, isOver) : undefined;
    return new Questions(context, tree, (replied) =>
      new PermissionRequests({
        record: RunRecord.silent(), // the run writes its own
        plugin,
        grants: context.grants,
        home: context.home,
        args: args.slice(1),
        started: installed ? undefined : args[0],
        administrator,
        keep: installed ? (change) => host.keep(layout, plugin, change) : undefined,
        ask: ask && ((question, about) => {
          const reply = ask(question, about);
          replied(reply);
          return reply;
        }),
      }));
  }

  /** Asks a person. The answer is null if nobody was asked. @throws BadMessage */
  async ask(fields: Fields): Promise<Json> {
    this.#reply = undefined;
    try {
      const about = fields.text("about");
      if (about === "file") this.#askFile(fields);
      else if (about === "listener") this.#askListener(fields);
      else if (about === "kubeconfig") await this.#askKubeconfig(fields);
      else {
        const info = fields.fieldsOrNone("info");
        const limits = this.#permissionRequests.cluster();
        this.#permissionRequests.askCluster(
          info ? claimedRequest(limits, infoOf(info)) : socketRequest(limits),
        );
      }
    } catch (error) {
      if (error instanceof Interrupted) return { interrupted: true };
      throw error;
    }
    const reply = this.#reply as Reply | undefined;
    return { reply: reply === undefined ? null : { answer: reply.answer, wider: reply.wider } };
  }

  #askFile(fields: Fields): void {
    const path = fields.text("path");
    const kind = fields.flag("write") ? "write" : "read";
    if (!path.startsWith("/") || path.split("/").some((name) => name === ".." || name === ".")) {
      throw new BadMessage("path is not absolute");
    }
    // No file has such a name, and the receipt would store it as a different one.
    if (path.includes("\0") || !path.isWellFormed()) throw new BadMessage("path is no text");
    const real = realIn(this.#tree, path);
    const there = this.#tree.probe(real);
    const directory = there ? there.type === "directory" : fields.flag("directory");
    const decision = this.#permissionRequests.askFile({ kind, path, real, directory });
    // During the question another process could have changed where the path leads.
    if (decision === "no" || realIn(this.#tree, path) !== real) return;
    this.#approved.push({ real, directory, write: kind === "write", once: decision === "once" });
  }

  #askListener(fields: Fields): void {
    const address = fields.text("address");
    const port = fields.number("port");
    if (!LOOPBACK.includes(address) || !Number.isInteger(port) || port < 0 || port > 65535) {
      throw new BadMessage("the listener is not on loopback");
    }
    this.#permissionRequests.mayListen({ address, port });
  }

  async #askKubeconfig(fields: Fields): Promise<void> {
    const [{ changesOf }, { changeInWords }] = await Promise.all([
      import("./changed_kubeconfig.ts"),
      import("../../kube/config/changes/change_words.ts"),
    ]);
    const changes = changesOf(fields);
    const { path } = await this.#changed();
    const decision = this.#permissionRequests.askKubeconfig({
      changes,
      words: changes.map(changeInWords),
      path,
    });
    this.#allowedOnce = decision === "once" ? JSON.stringify(changes) : undefined;
  }

  /**
   * Changes contexts in the user's kubeconfig. A grant for once counts once, and for exactly these changes.
   *
   * @throws AppError GRANT_INVALID, KUBECONFIG_UNCHANGED
   * @throws BadMessage
   */
  async changeKubeconfig(fields: Fields): Promise<void> {
    const { changesOf } = await import("./changed_kubeconfig.ts");
    const changes = changesOf(fields);
    const once = this.#allowedOnce === JSON.stringify(changes);
    this.#allowedOnce = undefined;
    if (!once && this.#permissionRequests.grants.kubeconfig !== "switch") {
      throw new AppError("GRANT_INVALID", "Nobody granted these changes of the kubeconfig");
    }
    await (await this.#changed()).change(changes);
  }

  #changed(): Promise<ChangedKubeconfig> {
    return this.#kubeconfig ??= import("./changed_kubeconfig.ts").then(({ ChangedKubeconfig }) =>
      new ChangedKubeconfig(this.#context)
    );
  }

  /** Whether a person granted exactly this mount. A grant for once counts once. */
  permits({ host, write, only, names, makesDirectory }: Mount): boolean {
    const [name] = only ?? [];
    if (only && (name === undefined || only.length > 1)) return false;
    const inHost = name === undefined ? undefined : names?.get(name) ?? name;
    if (inHost?.includes("/") || inHost === "." || inHost === "..") return false;
    const real = inHost === undefined ? host : `${host === "/" ? "" : host}/${inHost}`;
    const directory = !only || makesDirectory === true;
    const index = this.#approved.findIndex((each) =>
      each.real === real && each.directory === directory && (each.write || !write)
    );
    const approved = this.#approved[index];
    if (approved?.once) this.#approved.splice(index, 1);
    return approved !== undefined;
  }

  /** Waits until lasting grants are saved. @throws AppError STORE_… */
  async settle(): Promise<void> {
    await this.#permissionRequests.settle();
  }
}

function infoOf(fields: Fields): RequestInfo {
  const text = (name: keyof RequestInfo) => fields.text(name);
  return {
    isResource: fields.flag("isResource"),
    path: text("path"),
    verb: text("verb"),
    apiGroup: text("apiGroup"),
    apiVersion: text("apiVersion"),
    namespace: text("namespace"),
    resource: text("resource"),
    subresource: text("subresource"),
    name: text("name"),
  };
}
