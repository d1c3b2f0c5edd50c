/**
 * Where a run's doors ask for what is not granted: a person at the terminal may grant it, for once, for this run or for good;
 * what was refused is said at exit, with the command that grants it.
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

/** What {@linkcode PermissionRequests} is opened with. */
export interface PermissionRequestsContext {
  readonly plugin: string;
  readonly grants: Grants;
  /** The user's home directory, absolute. */
  readonly home: string;
  /** The plugin's arguments, its name left out. */
  readonly args: readonly string[];
  /** Where it is not installed, how it was started: `run ./x.wasm`. */
  readonly started: string | undefined;
  readonly ask: Ask | undefined;
  readonly administrator: Administrator | undefined;
  readonly record: RunRecord;
  /** Writes a change to the receipt. */
  readonly keep: ((change: GrantChange) => Promise<void>) | undefined;
}

/** After as many times no, a person is asked nothing more in this run: who goes on asking hopes for a slip. */
const MAX_NO = 5;

/** The most that is kept of what was refused: a plugin may ask without end. */
const MAX_REFUSED = 100;

/** A flag that is longer is not shown to be typed. UTF-16 units. */
const MAX_SHOWN_FLAG = 500;

const SYSTEM_FILES = /^\/(?:etc|usr|lib\w*|proc|sys|dev|run|opt|nix|var\/lib)(?:\/|$)/;

/** A change of nothing. */
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

/** What a door asks for. */
interface Wanted extends Offer {
  readonly about: About;
  /** In words, for the record and the hint at exit. */
  readonly what: string;
  readonly parts: Question["parts"];
  readonly wider?: (Offer & { readonly words: string; readonly word: string }) | undefined;
  /** Refused, it is told of only if the run fails. */
  readonly probe?: boolean;
}

/** What an answer grants. */
interface Offer {
  /** The flag that grants the same. */
  readonly flag: string;
  readonly change: GrantChange;
}

/** What was refused. */
interface Refused {
  readonly what: string;
  /** Without the flag that grants it; by a denial; or as no grant names it. */
  readonly why: { readonly flag: string } | "denied" | "nameless";
}

/** The grants of one run, as they are now. */
export class PermissionRequests {
  #context: PermissionRequestsContext;
  #grants: Grants;
  #refused = new Map<string, Refused>();
  /** Files that were looked for, as programs do with some that they can do without. */
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

  /** What holds now. */
  get grants(): Grants {
    return this.#grants;
  }

  /** For the cluster's guard. */
  cluster(): ClusterLimits {
    const { cluster: grant, deny } = this.#grants;
    return { grant, deny: deny.cluster, bound: this.#context.administrator?.cluster };
  }

  /** Whether a request that the grants don't cover may pass. */
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
    // A socket: nobody can look into what goes through it.
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

  /** Whether a file that no grant covers may be reached. */
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
    // The administrator's bound is on where a path leads.
    const after = this.#limited(mergeGrants(this.#grants, changeTo(real)));
    if (!after.files.some((file) => file.host === real && (file.write || kind === "read"))) {
      this.#context.record.denied(what);
      this.#note(what, "denied");
      return "no";
    }
    // Libraries look for settings of the system that they can do without: told if the run fails, not asked.
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
    // Who said no to one of them is not asked for the next.
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
      kept.catch(() => {}); // told by settle()
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

  /** Waits until what is to stay is written. @throws AppError STORE_FAILED */
  async settle(): Promise<void> {
    await Promise.all(this.#kept);
  }

  /**
   * One line on what was missing and the command that grants it; undefined where nothing was.
   *
   * @param failed whether the run failed, which a file that was looked for in vain may be the reason of
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
        : ""); // what it names is nothing to be typed
  }
}

/** Whether a flag can be shown to be typed, and means what was refused: two colons in a path would part it in two. */
function isToBeTyped(flag: string): boolean {
  return flag.length <= MAX_SHOWN_FLAG && !/^--allow-(?:read|write)=.*::/s.test(flag) &&
    shellCommand([flag]) !== undefined;
}
