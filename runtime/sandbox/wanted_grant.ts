/** The grant that a plugin's file or request needs, and the question about it. Pure. */

import { type GrantChange, type Grants, NO_DENIALS } from "../grants/grants.ts";
import { mergeGrants } from "../grants/merge_grants.ts";
import { isWithin, parentOf } from "../base/host_path.ts";
import type { DeniedRequest } from "../kube/allow/authorize_request.ts";
import { askedRequest, type OfferedRule } from "../kube/allow/asked_request.ts";
import type { About, AskedChanges, Question } from "./permission_request_types.ts";
import { coversPort } from "../grants/listen_grant.ts";
import type { AskedFile, AskedListener } from "./types.ts";

/** The grant that an answer gives. */
export interface Offer {
  /** The flag for the same grant. */
  readonly flag: string;
  readonly change: GrantChange;
}

/** A missing grant. */
export interface WantedGrant extends Offer {
  readonly about: About;
  /** In words, for the record and the hint at exit. */
  readonly what: string;
  readonly parts: Question["parts"];
  readonly wider?: (Offer & { readonly words: string; readonly word: string }) | undefined;
  /** Whether the plugin may do without it. A refusal is then printed only if the run fails. */
  readonly optional: boolean;
  /** Whether to refuse it without a question. */
  readonly unasked?: boolean;
  /** Whether only the record shows a refusal. */
  readonly unremarkable?: boolean;
}

/** A request that no answer can allow: it is denied, or no grant can name it. */
export interface Unanswerable {
  readonly what: string;
  readonly why: "denied" | "nameless";
}

/** Libraries look for optional settings below these directories. */
const SYSTEM_FILES = /^\/(?:etc|usr|lib\w*|proc|sys|dev|run|opt|nix|var\/lib)(?:\/|$)/;

/** Changes nothing. */
export const NO_CHANGE: GrantChange = {
  files: [],
  home: undefined,
  env: undefined,
  kubeconfig: undefined,
  cluster: undefined,
  rules: [],
  listen: undefined,
  terminal: undefined,
  completion: undefined,
  limits: {},
  deny: NO_DENIALS,
};

/** The grant for a request to the cluster. */
export function grantForRequest(request: DeniedRequest, { cluster }: Grants): WantedGrant | Unanswerable {
  const { what, rule, info, denied } = request;
  const asked = info && askedRequest(info);
  if (denied || rule === undefined || info !== undefined && asked === undefined) {
    return { what, why: denied ? "denied" : "nameless" };
  }
  const common = { about: { cluster: request }, what, optional: false };
  const soFar = ["so far", typeof cluster === "string" ? cluster : "other rules"] as const;
  // A raw socket: krew-wasm cannot check the traffic.
  if (asked === undefined) {
    return {
      ...common,
      parts: [
        ["to", what],
        ["which is", "full access to the cluster, since nobody can check what goes through a socket"],
        soFar,
        ["rule", "full"],
      ],
      flag: clusterFlag("full"),
      change: { ...NO_CHANGE, cluster: "full" },
    };
  }
  const { wider } = asked;
  return {
    ...common,
    parts: [...asked.parts, soFar, ["rule", asked.word]],
    ...offerOf(asked),
    wider: wider && { ...offerOf(wider), words: wider.words, word: wider.word },
  };
}

function offerOf({ rule, word }: OfferedRule): Offer {
  return { flag: clusterFlag(word), change: { ...NO_CHANGE, rules: [rule] } };
}

function clusterFlag(word: string): string {
  return `--allow-cluster=${word}`;
}

/** The grant for a listener on loopback. @param limited removes the grants above the administrator's bounds */
export function grantForListener(
  asked: AskedListener,
  grants: Grants,
  limited: (grants: Grants) => Grants,
): WantedGrant | Unanswerable {
  const { port } = asked;
  const at = placeInWords(asked);
  const what = `accept connections from this machine at ${at}`;
  const change = { ...NO_CHANGE, listen: [port] };
  if (grants.deny.listen || !coversPort(limited(mergeGrants(grants, change)).listen, port)) {
    return { what, why: "denied" };
  }
  return {
    about: { listener: asked },
    what,
    parts: [
      ["to", "accept connections from this machine"],
      ["at", at],
      ["which is", "open to every program and user of this machine while the plugin runs"],
    ],
    flag: `--allow-listen=${port}`,
    change,
    optional: false,
  };
}

/** The grant for changes of contexts in the user's kubeconfig. */
export function grantForKubeconfig(
  asked: AskedChanges,
  { grants, limited }: Pick<FileRequestContext, "grants" | "limited">,
): WantedGrant | Unanswerable {
  const what = asked.words.join(", ");
  const change: GrantChange = { ...NO_CHANGE, kubeconfig: "switch" };
  if (limited(mergeGrants(grants, change)).kubeconfig !== "switch") return { what, why: "denied" };
  return {
    about: { kubeconfig: asked },
    what,
    parts: [
      ...asked.words.map((words) => ["to", words] as const),
      ["in", asked.path],
      ["beyond once", "change contexts, their namespaces and the current context"],
    ],
    flag: "--allow-kubeconfig=switch",
    change,
    optional: false,
  };
}

function placeInWords({ address, port }: AskedListener): string {
  const shown = address.includes(":") ? `[${address}]` : address;
  return port === 0 ? `a port of ${shown} that the system chooses` : `${shown}:${port}`;
}

/** What is known about the run that asks for a file. */
export interface FileRequestContext {
  readonly grants: Grants;
  /** The user's home directory, absolute. */
  readonly home: string;
  /** The plugin's arguments, without its name. */
  readonly args: readonly string[];
  /** The directories in which the user's shell looks for programs, as `PATH` has them. */
  readonly programs: readonly string[];
  /** Removes the grants above the administrator's bounds. */
  readonly limited: (grants: Grants) => Grants;
}

/** The grant for a file or a directory. */
export function grantForFile(asked: AskedFile, context: FileRequestContext): WantedGrant | Unanswerable {
  const { kind, path, real, directory } = asked;
  const what = `${kind === "read" ? "read" : "change"} ${path}`;
  if (isDenied(asked, context) || isAboveBound(asked, context)) return { what, why: "denied" };
  // The user may name such a file.
  const unnamed = kind === "read" && !context.args.some((arg) => arg.includes(path));
  // A plugin can't start programs, so it misses nothing where it looks for some.
  const searched = context.programs.some((program) => path === program || parentOf(path) === program);
  return {
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
    flag: `--allow-${kind}=${path}`,
    change: changeFor(asked, path),
    optional: kind === "read",
    unasked: unnamed && (searched || SYSTEM_FILES.test(path)),
    unremarkable: unnamed && searched,
  };
}

function isDenied({ kind, path, real }: AskedFile, { grants: { deny }, home }: FileRequestContext): boolean {
  const within = (root: string) => isWithin(path, root) || isWithin(real, root);
  return deny.read.some(within) || deny.home && within(home) || kind === "write" && deny.write.some(within);
}

/** The administrator's bound applies to the target of a path. */
function isAboveBound(asked: AskedFile, { grants, limited }: FileRequestContext): boolean {
  const { files } = limited(mergeGrants(grants, changeFor(asked, asked.real)));
  return !files.some((file) => file.host === asked.real && (file.write || asked.kind === "read"));
}

function changeFor({ kind, real, directory }: AskedFile, host: string): GrantChange {
  return { ...NO_CHANGE, files: [{ host, guest: host, write: kind === "write", directory, real }] };
}
