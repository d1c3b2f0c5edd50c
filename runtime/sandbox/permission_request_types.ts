/** A question about something that is not granted, and its answer. */

import type { Grants } from "../grants/grants.ts";
import type { DeniedRequest } from "../kube/allow/authorize_request.ts";
import type { ClusterGrant } from "../kube/allow/rules.ts";
import type { AskedFile } from "./types.ts";

/** What a person answers. */
export type Answer = "once" | "run" | "always" | "no";

/** One question. Its texts come from the plugin and are escaped by whoever shows them. */
export interface Question {
  readonly plugin: string;
  /** The plugin's arguments. */
  readonly args: readonly string[];
  /** What is granted by an answer, whole, and what was granted so far: each stands on a line of its own. */
  readonly parts: readonly (readonly [label: string, value: string])[];
  /** More than it asks for, in words and as a rule; granted only where a person chooses that. */
  readonly wider?: { readonly words: string; readonly word: string } | undefined;
}

/** What a person answers a question. */
export interface Reply {
  readonly answer: Answer;
  /** The wider choice was made. */
  readonly wider: boolean;
}

/** What a question is about: who asks it in another process makes its words up there. */
export type About = { readonly file: AskedFile } | { readonly cluster: DeniedRequest };

/** Asks at the terminal, and returns when there is an answer; undefined where there is nobody to ask. */
export interface Ask {
  (question: Question, about: About): Reply | undefined;
  /** Writes to the terminal when no other plugin asks there. */
  readonly quietly?: <T>(write: () => T) => T;
  /** Another process asks, which is told here once it was started. */
  readonly by?: (broker: { ask(about: About): Reply | undefined }) => void;
}

/** What the administrator of this machine says of a plugin. */
export interface Administrator {
  /** Grants without what is above the bounds. */
  limit(grants: Grants): Grants;
  /** What every request has to be inside of, whatever is granted. */
  readonly cluster: ClusterGrant;
}
