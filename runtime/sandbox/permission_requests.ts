/**
 * Asks a person at the terminal for missing grants: for once, for this run, or always. At exit it prints the refusals,
 * with the command that grants it.
 */

import { effectiveGrants, type GrantChange, type Grants, mergeGrants, NO_DENIALS } from "../grants/grants.ts";
import { isWithin } from "../base/host_path.ts";
import type { AskedFile } from "./types.ts";
import type { ClusterLimits, DeniedRequest } from "../kube/allow/authorize_request.ts";
import { askedRequest, type OfferedRule } from "../kube/allow/asked_request.ts";
import type { About, Administrator, Ask, Question } from "./permission_request_types.ts";
import type { RunRecord } from "./run_record.ts";
import { shellCommand } from "../base/shell_word.ts";
import { printable } from "../base/text.ts";

/** What {@linkcode PermissionRequests} needs. */
export interface PermissionRequestsContext {
  readonly plugin: string;
  readonly grants: Grants;
  /** The user's home directory, absolute. */
  readonly home: string;
  /** The plugin's arguments, without its name. */
  readonly args: readonly string[];
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

/** Limit on the kept refusals, since a plugin may ask without end. */
const MAX_REFUSED = 100;

/** A longer flag is not suggested to the user. UTF-16 units. */
const MAX_SHOWN_FLAG = 500;

const SYSTEM_FILES = /^\/(?:etc|usr|lib\w*|proc|sys|dev|run|opt|nix|var\/lib)(?:\/|$)/;

/** Changes nothing. */
const NO_CHANGE: GrantChange = {
  files: [],
  home: undefined,
  env: undefined,
  kubeconfig: undefined,
  cluster: undefined,
  rules: [],
  terminal: undefined,
  completion: undefined,
  limits: {},
  deny: NO_DENIALS,
};

/** A missing grant. */
interface Wanted extends Offer {
  readonly about: About;
  /** In words, for the record and the hint at exit. */
  readonly what: string;
  readonly parts: Question["parts"];
  readonly wider?: (Offer & { readonly words: string; readonly word: string }) | undefined;
  /** Print a refusal only if the run fails. */
  readonly probe?: boolean;
}

/** The grant that an answer gives. */
interface Offer {
  /** The flag for the same grant. */
  readonly flag: string;
  readonly change: GrantChange;
}

/** A refusal. */
interface Refused {
  readonly what: string;
  /** The flag that would have granted it; or a denial; or no grant can name it. */
  readonly why: { readonly flag: string } | "denied" | "nameless";
}

/** The grants of one run, with those that a person added. */
export class PermissionRequests {
  #context: PermissionRequestsContext;
  #grants: Grants;
  #refused = new Map<string, Refused>();
  /** Files that the plugin looked for and may not need. */
  #probed = new Map<string, string>();
  #declined = new Set<string>();
  #more = 0;
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
    const { what, rule, info, denied } = request;
    const about = { cluster: request };
    const asked = info && askedRequest(info);
    if (denied || rule === undefined || info !== undefined && asked === undefined) {
      this.#context.record.denied(what);
      this.#note(what, denied ? "denied" : "nameless");
      return false;
    }
    const { cluster } = this.#grants;
    const soFar = ["so far", typeof cluster === "string" ? cluster : "other rules"] as const;
    const flagOf = (word: string) => `--allow-cluster=${word}`;
    // A raw socket: krew-wasm cannot check the traffic.
    if (asked === undefined) {
      return this.#ask({
        about,
        what,
        parts: [
          ["to", what],
          ["which is", "full access to the cluster, since nobody can check what goes through a socket"],
          soFar,
          ["rule", "full"],
        ],
        flag: flagOf("full"),
        change: { ...NO_CHANGE, cluster: "full" },
      });
    }
    const offer = ({ rule, word }: OfferedRule): Offer => ({
      flag: flagOf(word),
      change: { ...NO_CHANGE, rules: [rule] },
    });
    const { wider } = asked;
    return this.#ask({
      about,
      what,
      parts: [...asked.parts, soFar, ["rule", asked.word]],
      ...offer(asked),
      wider: wider && { ...offer(wider), words: wider.words, word: wider.word },
    });
  }

  /** Asks whether a file may be reached that no grant covers. */
  askFile(asked: AskedFile): "no" | "once" | "stay" {
    const { kind, path, real, directory } = asked;
    const what = `${kind === "read" ? "read" : "change"} ${path}`;
    const { deny } = this.#grants;
    const within = (root: string) => [path, real].some((at) => isWithin(at, root));
    const hidden = deny.home ? [...deny.read, this.#context.home] : deny.read;
    if (hidden.some(within) || kind === "write" && deny.write.some(within)) {
      this.#context.record.denied(what);
      this.#note(what, "denied");
      return "no";
    }
    const flag = `--allow-${kind}=${path}`;
    const changeTo = (host: string): GrantChange => ({
      ...NO_CHANGE,
      files: [{ host, guest: host, write: kind === "write", directory, real }],
    });
    // The administrator's bound applies to the target of a path.
    const after = this.#limited(mergeGrants(this.#grants, changeTo(real)));
    if (!after.files.some((file) => file.host === real && (file.write || kind === "read"))) {
      this.#context.record.denied(what);
      this.#note(what, "denied");
      return "no";
    }
    // Libraries look for optional system settings. Do not ask about these; print them only if the run fails.
    if (kind === "read" && SYSTEM_FILES.test(path) && !this.#context.args.some((arg) => arg.includes(path))) {
      this.#context.record.denied(what, flag);
      if (this.#probed.size < MAX_REFUSED) this.#probed.set(flag, what);
      return "no";
    }
    const before = this.#grants;
    const granted = this.#ask({
      about: { file: asked },
      what,
      parts: [
        [
          "to",
          `${kind === "read" ? "read" : "make, change or delete"} ${
            directory ? "a directory and all in it" : "a file"
          }`,
        ],
        ["path", path],
        ...(real === path ? [] : [["leads to", real] as const]),
      ],
      flag,
      change: changeTo(path),
      probe: kind === "read",
    });
    return granted ? this.#grants === before ? "once" : "stay" : "no";
  }

  #ask({ about, what, parts, flag, change, wider, probe = false }: Wanted): boolean {
    const { plugin, args, ask, keep } = this.#context;
    // A refusal also covers the next request of the same kind.
    const kin = wider?.flag ?? flag;
    const silent = ask === undefined || this.#declined.has(kin) || this.#declined.size >= MAX_NO;
    const reply = silent ? undefined : ask({
      ...{ plugin, args, parts },
      wider: wider && { words: wider.words, word: wider.word },
    }, about);
    if (reply === undefined || reply.answer === "no") {
      if (reply !== undefined) this.#declined.add(kin);
      this.#context.record.denied(what, flag);
      if (this.#declined.has(kin)) return false;
      if (!probe) this.#note(what, { flag });
      else if (this.#probed.size < MAX_REFUSED) this.#probed.set(flag, what);
      return false;
    }
    const { answer } = reply;
    const granted: Offer = reply.wider && wider ? wider : { flag, change };
    this.#context.record.allowed(what, granted.flag, answer);
    if (answer !== "once") this.#grants = this.#limited(mergeGrants(this.#grants, granted.change));
    if (answer === "always" && keep) {
      const kept = keep(granted.change);
      kept.catch(() => {}); // settle() reports it
      this.#kept.push(kept);
    }
    return true;
  }

  #note(what: string, why: Refused["why"]): void {
    const key = typeof why === "string" ? `\0${what}` : why.flag;
    if (this.#refused.has(key)) return;
    if (this.#refused.size < MAX_REFUSED) this.#refused.set(key, { what, why });
    else this.#more++;
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
    if (failed) { for (const [flag, what] of this.#probed) this.#note(what, { flag }); }
    if (this.#refused.size === 0) return undefined;
    const { plugin, started } = this.#context;
    const refused = [...this.#refused.values()];
    const shown = refused.slice(0, 3).map(({ what }) => printable(what, 200)).join("; ");
    const rest = refused.length - 3 + this.#more;
    const flags = refused.flatMap(({ why }) => typeof why === "string" ? [] : [why.flag]);
    const words = flags.filter(isToBeTyped).slice(0, 8);
    const command = words.length === 0 ? undefined : shellCommand(
      started === undefined
        ? ["krew-wasm", "grants", plugin, ...words]
        : ["krew-wasm", "run", ...words, started],
    );
    return `krew-wasm: ${printable(plugin, 100)} was not allowed to ${shown}${
      rest > 0 ? `; and ${rest} more` : ""
    }` +
      (command !== undefined
        ? `; to allow it: ${command}`
        : refused.every(({ why }) => why === "denied")
        ? ": its grants, or the administrator of this machine, deny that"
        : ""); // no flag can name it
  }
}

/** Whether a user can type a flag for exactly the refused access. Two colons in a path would split it. */
function isToBeTyped(flag: string): boolean {
  return flag.length <= MAX_SHOWN_FLAG && !/^--allow-(?:read|write)=.*::/s.test(flag) &&
    shellCommand([flag]) !== undefined;
}
