/** A question about a missing grant, and its answer. */

import type { Grants } from "../grants/grants.ts";
import type { ListenGrant } from "../grants/listen_grant.ts";
import type { DeniedRequest } from "../kube/allow/authorize_request.ts";
import type { ContextChange } from "../kube/config/changes/context_changes.ts";
import type { ClusterGrant } from "../kube/allow/rules.ts";
import type { AskedFile, AskedListener } from "./types.ts";

/** A person's answer. */
export type Answer = "once" | "run" | "always" | "no" | "never";

/** One question. Its texts come from the plugin; callers escape them before they show them. */
export interface Question {
  readonly plugin: string;
  /** The plugin's arguments. */
  readonly args: readonly string[];
  /** Everything that an answer grants, and everything that is granted so far, each on its own line. */
  readonly parts: readonly (readonly [label: string, value: string])[];
  /** Whether "never" is offered: a denial can name exactly what is asked for. */
  readonly deniable: boolean;
  /** An offer of a wider grant, in words and as a rule. Granted only if the person chooses it. */
  readonly wider?: { readonly words: string; readonly word: string } | undefined;
}

/** A person's reply to a question. */
export interface Reply {
  readonly answer: Answer;
  /** The person chose the wider grant. */
  readonly wider: boolean;
}

/** The subject of a question. The broker makes the question's words from this. */
export type About =
  | { readonly file: AskedFile }
  | { readonly listener: AskedListener }
  | { readonly cluster: DeniedRequest }
  | { readonly kubeconfig: AskedChanges };

/** Changes of contexts that a plugin wrote into its kubeconfig. */
export interface AskedChanges {
  readonly changes: readonly ContextChange[];
  /** The same in words. */
  readonly words: readonly string[];
  /** The user's kubeconfig; with several, the first. */
  readonly path: string;
}

/** Asks at the terminal and waits for the answer; undefined if nobody can be asked. */
export interface Ask {
  (question: Question, about: About): Reply | undefined;
  /** Writes to the terminal while no other plugin asks there. */
  readonly quietly?: <T>(write: () => T) => T;
  /** Hands over the broker, which then asks in this process's place. */
  readonly by?: (broker: { ask(about: About): Reply | undefined }) => void;
}

/** The administrator's limits for a plugin. */
export interface Administrator {
  /** Removes the grants above the bounds. */
  limit(grants: Grants): Grants;
  /** The limit of every request, whatever is granted. */
  readonly cluster: ClusterGrant;
  /** The ports that may be granted. */
  readonly listen: ListenGrant;
}
