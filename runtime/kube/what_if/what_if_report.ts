/** Prints what a run would have changed: one diff for each object, and what could not be tried. */

import { printable, printableLines } from "../../base/text.ts";
import type { ApiObject, TriedWrite, WhatIfRecord } from "./what_if_cluster.ts";

/** Fields that the server changes at each write. */
const NOISE: readonly string[] = ["managedFields", "resourceVersion", "generation", "selfLink"];
/** And those that it makes up for a new object. */
const MADE: readonly string[] = [...NOISE, "uid", "creationTimestamp"];
const APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

const VERBS: Readonly<Record<string, string>> = {
  patch: "change",
  update: "change",
  deletecollection: "delete",
};

/** The report for programs: an object with the fields `changed` and `refused`. Values of secrets are hidden here, too. */
export function whatIfJson({ tried, refused }: WhatIfRecord): string {
  const changed = lastOfEach(tried).map(({ before, after, ...write }) => {
    const created = before === undefined;
    return {
      ...write,
      before: created ? null : shown(before, after, created, true),
      after: after === undefined ? null : shown(after, before, created, false),
    };
  });
  return `${JSON.stringify({ changed, refused }, null, 2)}\n`;
}

/**
 * The report for people. Values of secrets are hidden, as in `kubectl diff`.
 *
 * @param colour with the colours of `git diff`
 */
export async function whatIfText({ tried, refused }: WhatIfRecord, colour: boolean): Promise<string> {
  const parts: string[] = [];
  for (const write of lastOfEach(tried)) parts.push(await writeText(write));
  const none = tried.length === 0 ? "What if: nothing would change on the cluster\n" : "";
  const count = parts.length === 1 ? "1 object" : `${parts.length} objects`;
  const head = none === "" ? `What if: ${count} would change; nothing was changed\n` : none;
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
  const [before, after] = [write.before, write.after].map((object, at) =>
    object === undefined
      ? undefined
      : shown(object, at === 0 ? write.after : write.before, write.before === undefined, at === 0)
  );
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
  return `${title}\n${printableLines(patch.replace(/^=+\n/, "").replaceAll("\t\n", "\n"))}`;
}

/** The last write to each object: every one is compared with the live object. */
function lastOfEach(tried: readonly TriedWrite[]): TriedWrite[] {
  const last = new Map(
    tried.map((write) => [[write.resource, write.namespace, write.name].join("\0"), write] as const),
  );
  return [...last.values()];
}

function shown(
  object: ApiObject,
  other: ApiObject | undefined,
  created: boolean,
  isBefore: boolean,
): ApiObject {
  return hideSecrets(withoutNoise(object, created ? MADE : NOISE), other, isBefore);
}

function withoutNoise(object: ApiObject, noise: readonly string[]): ApiObject {
  const { metadata, ...rest } = object;
  if (typeof metadata !== "object" || metadata === null) return rest;
  const kept = Object.entries(metadata).filter(([key]) => !noise.includes(key));
  return { ...rest, metadata: Object.fromEntries(kept) };
}

/** Replaces the values of a Secret, and the copy of them that kubectl keeps in an annotation. */
function hideSecrets(object: ApiObject, other: ApiObject | undefined, isBefore: boolean): ApiObject {
  if (object.kind !== "Secret") return object;
  const hidden: ApiObject = { ...object };
  for (const field of ["data", "stringData"]) {
    const values = object[field];
    if (typeof values !== "object" || values === null) continue;
    const others = (other?.[field] ?? {}) as ApiObject;
    hidden[field] = Object.fromEntries(
      Object.entries(values).map(([key, value]) => [
        key,
        !Object.hasOwn(others, key) || others[key] === value
          ? "***"
          : `*** (${isBefore ? "before" : "after"})`,
      ]),
    );
  }
  const metadata = object.metadata as { annotations?: ApiObject } | undefined;
  if (metadata?.annotations?.[APPLIED] !== undefined) {
    const { [APPLIED]: _, ...annotations } = metadata.annotations;
    hidden.metadata = { ...metadata, annotations };
  }
  return hidden;
}

function coloured(line: string): string {
  if (/^(?:---|\+\+\+) /.test(line)) return `\x1b[1m${line}\x1b[m`;
  if (line.startsWith("@@")) return `\x1b[36m${line}\x1b[m`;
  if (line.startsWith("+")) return `\x1b[32m${line}\x1b[m`;
  if (line.startsWith("-")) return `\x1b[31m${line}\x1b[m`;
  return line;
}
