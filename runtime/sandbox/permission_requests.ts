/** Asks a person at the terminal for missing grants: for once, for this run, or always. */

import { effectiveGrants, mergeGrants } from "../grants/merge_grants.ts";
import { type GrantChange, type Grants, NO_DENIALS } from "../grants/grants.ts";
import { isWithin } from "../base/host_path.ts";
import type { ClusterLimits, DeniedRequest } from "../kube/allow/authorize_request.ts";
import type { Administrator, Ask, AskedChanges, Reply } from "./permission_request_types.ts";
import { Refusals } from "./refusals.ts";
import type { RunRecord } from "./run_record.ts";
import { isTimeZone } from "../wasi/files/time_zone.ts";
import { coversPort } from "../grants/listen_grant.ts";
import type { AskedFile, AskedListener } from "./types.ts";
import {
  grantForFile,
  grantForKubeconfig,
  grantForListener,
  grantForRequest,
  NO_CHANGE,
  type Unanswerable,
  type WantedGrant,
} from "./wanted_grant.ts";

/** What {@linkcode PermissionRequests} needs. */
export interface PermissionRequestsContext {
  readonly plugin: string;
  readonly grants: Grants;
  /** The user's home directory, absolute. */
  readonly home: string;
  /** The plugin's arguments, without its name. */
  readonly args: readonly string[];
  /** The directories in which the user's shell looks for programs, as `PATH` has them. */
  readonly programs?: readonly string[];
  /** How a plugin was started that is not installed: `run ./x.wasm`. */
  readonly started: string | undefined;
  readonly ask: Ask | undefined;
  readonly administrator: Administrator | undefined;
  readonly record: RunRecord;
  /** Writes a lasting grant to the receipt. */
  readonly keep: ((change: GrantChange) => Promise<void>) | undefined;
}

/** After this many refusals a run asks nothing more: a plugin that goes on asking hopes for a slip. */
const MAX_NO = 5;

/** The grants of one run, with those that a person added. */
export class PermissionRequests {
  #context: PermissionRequestsContext;
  #grants: Grants;
  #refusals = new Refusals();
  /** Flags of the requests that the person refused. */
  #declined = new Set<string>();
  #kept: Promise<void>[] = [];

  constructor(context: PermissionRequestsContext) {
    this.#context = context;
    this.#grants = this.#limited(context.grants);
  }

  #limited(grants: Grants): Grants {
    const effective = effectiveGrants(grants);
    return this.#context.administrator?.limit(effective) ?? effective;
  }

  /** The present grants. */
  get grants(): Grants {
    return this.#grants;
  }

  /** The limits that authorize_request.ts applies. */
  cluster(): ClusterLimits {
    const { cluster: grant, deny } = this.#grants;
    return { grant, deny: deny.cluster, bound: this.#context.administrator?.cluster };
  }

  /** Asks whether a request may pass that the grants do not cover. */
  askCluster(request: DeniedRequest): boolean {
    return this.#decide(grantForRequest(request, this.#grants)) !== "no";
  }

  /** Asks whether a file may be reached that no grant covers. */
  askFile(asked: AskedFile): "no" | "once" | "stay" {
    const { home, args, programs = [] } = this.#context;
    const grants = this.#grants;
    if (isReadableByDefault(asked, grants)) return "stay";
    return this.#decide(
      grantForFile(asked, { grants, home, args, programs, limited: (grants) => this.#limited(grants) }),
    );
  }

  /** Whether the plugin may accept connections at a port of loopback. Asks if no grant covers it. */
  mayListen(asked: AskedListener): boolean {
    if (coversPort(this.#grants.listen, asked.port)) return true;
    return this.#decide(grantForListener(asked, this.#grants, (grants) => this.#limited(grants))) !== "no";
  }

  /** Asks whether contexts in the user's kubeconfig may change as the plugin wrote them. */
  askKubeconfig(asked: AskedChanges): "no" | "once" | "stay" {
    const grants = this.#grants;
    if (grants.kubeconfig === "switch") return "stay";
    return this.#decide(grantForKubeconfig(asked, { grants, limited: (grants) => this.#limited(grants) }));
  }

  /** Records that the plugin tried something that no grant allows. */
  refuse(what: string): void {
    this.#decide({ what, why: "nameless" });
  }

  /** Waits until lasting grants are saved. @throws AppError STORE_FAILED */
  async settle(): Promise<void> {
    await Promise.all(this.#kept);
  }

  /**
   * One line with the missing grants and the command that adds them; undefined if none was missing.
   *
   * @param failed whether the run failed. Files that the plugin looked for may be the reason
   */
  hint(failed = false): string | undefined {
    return this.#refusals.hint(this.#context.plugin, this.#context.started, failed);
  }

  #decide(wanted: WantedGrant | Unanswerable): "no" | "once" | "stay" {
    if ("why" in wanted) {
      this.#context.record.denied(wanted.what);
      this.#refusals.add(wanted.what, wanted.why);
      return "no";
    }
    const reply = this.#ask(wanted);
    if (reply === undefined || reply.answer === "no" || reply.answer === "never") {
      this.#refuse(wanted, reply !== undefined);
      if (reply?.answer === "never") this.#keep(denialOf(wanted.change));
      return "no";
    }
    return this.#grant(wanted, { answer: reply.answer, wider: reply.wider });
  }

  /** undefined if nobody was asked. */
  #ask(wanted: WantedGrant): Reply | undefined {
    const { plugin, args, ask } = this.#context;
    const { about, parts, wider, unasked } = wanted;
    if (ask === undefined || unasked || this.#isDeclined(wanted) || this.#declined.size >= MAX_NO) {
      return undefined;
    }
    // No denial names a raw socket alone: it would deny the whole cluster.
    const deniable = wanted.change.cluster === undefined;
    const offer = wider && { words: wider.words, word: wider.word };
    return ask({ plugin, args, parts, deniable, wider: offer }, about);
  }

  #refuse(wanted: WantedGrant, byPerson: boolean): void {
    const { what, flag, optional, unremarkable } = wanted;
    this.#context.record.denied(what, flag);
    if (unremarkable) return;
    if (byPerson) this.#declined.add(kindOf(wanted));
    if (this.#isDeclined(wanted)) return;
    if (optional) this.#refusals.addOptional(what, flag);
    else this.#refusals.add(what, { flag });
  }

  #keep(change: GrantChange): void {
    const kept = this.#context.keep?.(change);
    if (!kept) return;
    kept.catch(() => {}); // settle() reports it
    this.#kept.push(kept);
  }

  #grant(
    wanted: WantedGrant,
    { answer, wider }: { readonly answer: "once" | "run" | "always"; readonly wider: boolean },
  ): "once" | "stay" {
    const { record } = this.#context;
    const granted = wider && wanted.wider ? wanted.wider : wanted;
    record.allowed(wanted.what, granted.flag, answer);
    const before = this.#grants;
    if (answer !== "once") this.#grants = this.#limited(mergeGrants(before, granted.change));
    if (answer === "always") this.#keep(granted.change);
    return this.#grants === before ? "once" : "stay";
  }

  #isDeclined(wanted: WantedGrant): boolean {
    return this.#declined.has(kindOf(wanted));
  }
}

/** The lasting denial of exactly the files and rules that a change grants. */
function denialOf({ files, rules }: GrantChange): GrantChange {
  return {
    ...NO_CHANGE,
    deny: {
      ...NO_DENIALS,
      read: files.filter(({ write }) => !write).map(({ host }) => host),
      write: files.filter(({ write }) => write).map(({ host }) => host),
      cluster: rules.length > 0 ? rules : false,
    },
  };
}

/** A refusal also covers the next request of the same kind. */
function kindOf({ wider, flag }: WantedGrant): string {
  return wider?.flag ?? flag;
}

/** Whether every plugin may read a file, unless it is denied. */
function isReadableByDefault({ kind, path, real }: AskedFile, { deny }: Grants): boolean {
  return kind === "read" && isTimeZone(real) &&
    !deny.read.some((root) => isWithin(path, root) || isWithin(real, root));
}
