/** Prints what a run would have changed: one diff for each object, and what could not be tried. */

import { visibleJson } from "../../base/invisible.ts";
import { printable, printableLines } from "../../base/text.ts";
import type { ApiObject, TriedWrite, WhatIfRecord } from "./what_if_cluster.ts";

/** Fields that the server changes at each write. */
const NOISE: readonly string[] = ["managedFields", "resourceVersion", "generation", "selfLink"];
/** And those that it makes up for a new object. */
const MADE: readonly string[] = [...NOISE, "uid", "creationTimestamp"];
/** The longest line of a diff. It is longer than any object, so that no change hides behind it. UTF-16 units. */
const MAX_LINE = 1 << 26;
const APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

const VERBS: Readonly<Record<string, string>> = {
  patch: "change",
  update: "change",
  deletecollection: "delete",
};

/** The report for programs: an object with the fields `changed` and `refused`. Values of secrets are hidden here, too. */
export function whatIfJson({ tried, refused }: WhatIfRecord): string {
  const changed = reported(tried).map((write) => {
    const { verb, resource, namespace, name, answered } = write;
    const [before, after] = shownOf(write);
    return { verb, resource, namespace, name, answered, before: before ?? null, after: after ?? null };
  });
  return `${visibleJson(JSON.stringify({ changed, refused }, null, 2))}\n`;
}

/**
 * The report for people. Values of secrets are hidden, as in `kubectl diff`.
 *
 * @param colour with the colours of `git diff`
 */
export async function whatIfText({ tried, refused }: WhatIfRecord, colour: boolean): Promise<string> {
  const parts: string[] = [];
  for (const write of reported(tried)) parts.push(await writeText(write));
  const count = parts.length === 1 ? "1 change" : `${parts.length} changes`;
  const head = parts.length === 0
    ? `What if: nothing would change on the cluster\n`
    : `What if: ${count} on the cluster; nothing was changed\n`;
  const lines = refused.map(({ what, why }) =>
    `Not tried: ${printable(what, 300)}: ${printable(why, 300)}\n`
  );
  const text = [head, ...parts, ...new Set(lines)].join("\n");
  return colour ? text.split("\n").map(coloured).join("\n") : text;
}

async function writeText(write: TriedWrite): Promise<string> {
  const { verb, resource, namespace, name } = write;
  const title = `${VERBS[verb] ?? verb} ${printable(resource, 200)} ${printable(name, 300)}${
    namespace === "" ? "" : ` in the namespace ${printable(namespace, 200)}`
  }`;
  if (resource === "pods/eviction") {
    return `evict the pod ${printable(name, 300)} in ${printable(namespace, 200)}\n`;
  }
  if (!write.answered) return `${title}: no answer was seen, so what would change is not known\n`;
  const [before, after] = shownOf(write);
  const [{ createTwoFilesPatch }, { stringify }] = await Promise.all([import("diff"), import("yaml")]);
  const yaml = (object: ApiObject | undefined) =>
    object === undefined ? "" : stringify(object, { sortMapEntries: true, lineWidth: 0 });
  const [old, now] = [yaml(before), yaml(after)];
  if (old === now) return `${title}: no difference\n`;
  const path = printable([namespace, resource, name].filter((part) => part !== "").join("/"), 500);
  const patch = createTwoFilesPatch(
    before === undefined ? "/dev/null" : `live/${path}`,
    after === undefined ? "/dev/null" : `what-if/${path}`,
    old,
    now,
    undefined,
    undefined,
    { context: 3 },
  );
  return `${title}\n${printableLines(patch.replace(/^=+\n/, "").replaceAll("\t\n", "\n"), MAX_LINE)}`;
}

/** All writes but the earlier ones of one kind to one object: each is compared with the live object. */
function reported(tried: readonly TriedWrite[]): TriedWrite[] {
  const last = new Map(
    tried.filter(({ failed }) => !failed).map((write) =>
      [[write.verb, write.resource, write.namespace, write.name].join("\0"), write] as const
    ),
  );
  return [...last.values()];
}

/** The objects without noise and secrets. */
function shownOf(
  { resource, before, after }: TriedWrite,
): [before: ApiObject | undefined, after: ApiObject | undefined] {
  const noise = before === undefined ? MADE : NOISE;
  const hides = /^secrets(?:\/|$)/.test(resource);
  return [
    before && hidden(withoutNoise(before, noise), after, hides, "before"),
    after && hidden(withoutNoise(after, noise), before, hides, "after"),
  ];
}

function withoutNoise(object: ApiObject, noise: readonly string[]): ApiObject {
  const { metadata, ...rest } = object;
  if (typeof metadata !== "object" || metadata === null) return rest;
  const kept = Object.entries(metadata).filter(([key]) => !noise.includes(key));
  return { ...rest, metadata: Object.fromEntries(kept) };
}

/** Replaces the values of a Secret, and the copy of them that kubectl keeps in an annotation. */
function hidden(
  object: ApiObject,
  other: ApiObject | undefined,
  hides: boolean,
  when: "before" | "after",
): ApiObject {
  if (!hides && object.kind !== "Secret") return object;
  const result: ApiObject = { ...object };
  for (const field of ["data", "stringData"]) {
    const values = object[field];
    if (typeof values !== "object" || values === null) continue;
    const others = (other?.[field] ?? {}) as ApiObject;
    result[field] = Object.fromEntries(
      Object.entries(values).map(([key, value]) => [
        key,
        !Object.hasOwn(others, key) || others[key] === value ? "***" : `*** (${when})`,
      ]),
    );
  }
  const metadata = object.metadata as { annotations?: ApiObject } | undefined;
  if (metadata?.annotations?.[APPLIED] !== undefined) {
    const { [APPLIED]: _, ...annotations } = metadata.annotations;
    result.metadata = { ...metadata, annotations };
  }
  return result;
}

function coloured(line: string): string {
  if (/^(?:---|\+\+\+) /.test(line)) return `\x1b[1m${line}\x1b[m`;
  if (line.startsWith("@@")) return `\x1b[36m${line}\x1b[m`;
  if (line.startsWith("+")) return `\x1b[32m${line}\x1b[m`;
  if (line.startsWith("-")) return `\x1b[31m${line}\x1b[m`;
  return line;
}
