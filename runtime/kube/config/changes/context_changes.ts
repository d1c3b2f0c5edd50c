/**
 * Compares a kubeconfig that a plugin wrote with the redacted one that it read. Only the current context and the list
 * of contexts may differ. The text is hostile. Pure.
 */

import { isVisible } from "../../../base/invisible.ts";
import { printable } from "../../../base/text.ts";
import { parsePlainYaml } from "../plain_yaml.ts";

/** A context as a kubeconfig has it. A missing field is empty. */
export interface ContextFields {
  readonly cluster: string;
  readonly user: string;
  readonly namespace: string;
}

/** One change. An empty name of a context or namespace means none. */
export type ContextChange =
  | { readonly kind: "use"; readonly from: string; readonly to: string }
  | { readonly kind: "namespace"; readonly context: string; readonly from: string; readonly to: string }
  | { readonly kind: "rename"; readonly from: string; readonly to: string }
  | { readonly kind: "delete"; readonly context: string }
  | ({ readonly kind: "add"; readonly context: string } & ContextFields);

/** Why a kubeconfig is refused whole: what the plugin tried, as in "was not allowed to …". */
export class RefusedChange extends Error {}

/** Parses YAML as kubectl does, without aliases. @throws the parser's error */
export type ParseYaml = (text: string) => unknown;

/** The most changes at a time. A person could not check more. */
const MAX_CHANGES = 50;
/** The longest name that a plugin may give. UTF-16 units. */
const MAX_NAME = 500;
/** Limit on what a plugin writes, beyond twice what it read. UTF-16 units. */
const MAX_TEXT = 1 << 20;
/** A namespace's name (RFC 1123 label). */
const NAMESPACE = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;

interface Config {
  readonly current: string;
  readonly contexts: ReadonlyMap<string, ContextFields>;
  readonly clusters: ReadonlyMap<string, unknown>;
  readonly users: ReadonlyMap<string, unknown>;
  readonly rest: Readonly<Record<string, unknown>>;
}

/**
 * The changes from one kubeconfig to another, in an order in which they can be made.
 *
 * @throws RefusedChange if something else differs
 */
export function contextChanges(before: string, after: string, parse: ParseYaml): ContextChange[] {
  try {
    return compare(before, after, parse);
  } catch (error) {
    // Nesting that is too deep for the stack.
    if (error instanceof RangeError) throw new RefusedChange("write such a nested kubeconfig");
    throw error;
  }
}

function compare(before: string, after: string, parse: ParseYaml): ContextChange[] {
  if (after.length > 2 * before.length + MAX_TEXT) throw new RefusedChange("write such a large kubeconfig");
  const old = readConfig(before, parse);
  const now = readConfig(after, parse);
  for (const kind of ["clusters", "users"] as const) refuseOther(kind.slice(0, -1), old[kind], now[kind]);
  for (const key of new Set([...Object.keys(old.rest), ...Object.keys(now.rest)])) {
    if (!isEqual(ownOf(old.rest, key), ownOf(now.rest, key))) {
      throw new RefusedChange(`change "${printable(key, 100)}" in the kubeconfig`);
    }
  }
  const changes = contextsOf(old, now);
  if (changes.length > MAX_CHANGES) {
    throw new RefusedChange(`make ${changes.length} changes to the kubeconfig at once`);
  }
  return changes;
}

function contextsOf(old: Config, now: Config): ContextChange[] {
  const gone = new Map([...old.contexts].filter(([name]) => !now.contexts.has(name)));
  const changes: ContextChange[] = [];
  for (const [context, fields] of now.contexts) {
    const former = old.contexts.get(context);
    if (former) {
      changes.push(...changed(context, former, fields));
      continue;
    }
    refuseName(context);
    const [from] = [...gone].find(([, each]) => isEqual(each, fields)) ?? [];
    if (from !== undefined) {
      gone.delete(from);
      changes.push({ kind: "rename", from, to: context });
      continue;
    }
    refuseUnknown(context, fields, now);
    refuseNamespace(fields.namespace);
    changes.push({ kind: "add", context, ...fields });
  }
  changes.push(...[...gone.keys()].map((context) => ({ kind: "delete" as const, context })));
  if (old.current !== now.current) {
    if (now.current !== "" && !now.contexts.has(now.current)) {
      throw new RefusedChange(`use the context "${printable(now.current, 200)}", which there is not`);
    }
    changes.push({ kind: "use", from: old.current, to: now.current });
  }
  return changes;
}

function changed(context: string, former: ContextFields, fields: ContextFields): ContextChange[] {
  for (const field of ["cluster", "user"] as const) {
    if (former[field] !== fields[field]) {
      throw new RefusedChange(`change the ${field} of the context "${printable(context, 200)}"`);
    }
  }
  if (former.namespace === fields.namespace) return [];
  refuseNamespace(fields.namespace);
  return [{ kind: "namespace", context, from: former.namespace, to: fields.namespace }];
}

function refuseOther(kind: string, old: Config["clusters"], now: Config["clusters"]): void {
  for (const name of new Set([...old.keys(), ...now.keys()])) {
    const what = !now.has(name) ? "delete" : old.has(name) ? "change" : "add";
    if (what === "change" && isEqual(old.get(name), now.get(name))) continue;
    throw new RefusedChange(`${what} the ${kind} "${printable(name, 200)}" in the kubeconfig`);
  }
}

function refuseUnknown(context: string, fields: ContextFields, { clusters, users }: Config): void {
  for (const [field, known] of [["cluster", clusters], ["user", users]] as const) {
    const name = fields[field];
    if (name === "" || known.has(name)) continue;
    throw new RefusedChange(
      `add the context "${printable(context, 200)}" with the ${field} "${
        printable(name, 200)
      }", which there is not`,
    );
  }
}

function refuseNamespace(name: string): void {
  if (name === "" || NAMESPACE.test(name)) return;
  throw new RefusedChange(`set the namespace "${printable(name, 200)}", which is no name of a namespace`);
}

/** Refuses a new name that a terminal would not show as it is. */
function refuseName(name: string): void {
  if (name !== "" && name.length <= MAX_NAME && isVisible(name)) return;
  throw new RefusedChange(`name a context "${printable(name, 200)}"`);
}

function readConfig(text: string, parse: ParseYaml): Config {
  let value: unknown;
  try {
    value = jsonOf(text) ?? parsePlainYaml(text) ?? parse(text);
  } catch {
    throw new RefusedChange("write a kubeconfig that is not YAML, or has aliases or a key twice");
  }
  if (!isObject(value)) throw new RefusedChange("empty the kubeconfig");
  const { contexts, clusters, users, "current-context": current, ...rest } = value;
  return {
    current: textOf(current, "current-context"),
    clusters: named(clusters, "clusters", "cluster"),
    users: named(users, "users", "user"),
    contexts: new Map(
      [...named(contexts, "contexts", "context")].map(([name, fields]) => [name, contextOf(name, fields)]),
    ),
    rest,
  };
}

function jsonOf(text: string): unknown {
  try {
    return text.startsWith("{") ? JSON.parse(text) : undefined;
  } catch {
    return undefined;
  }
}

function contextOf(name: string, fields: unknown): ContextFields {
  const { cluster, user, namespace, ...rest } = isObject(fields) ? fields : {};
  const where = `the context "${printable(name, 200)}"`;
  if (!isEqual(rest, {})) throw new RefusedChange(`change other fields of ${where}`);
  return { cluster: textOf(cluster, where), user: textOf(user, where), namespace: textOf(namespace, where) };
}

/** The entries of a list by name. */
function named(list: unknown, field: string, body: string): Map<string, unknown> {
  const entries = new Map<string, unknown>();
  if (list !== undefined && list !== null && !Array.isArray(list)) {
    throw new RefusedChange(`make ${field} of the kubeconfig no list`);
  }
  for (const item of Array.isArray(list) ? list : []) {
    const { name, [body]: fields, ...rest } = (isObject(item) ? item : { item }) as Record<string, unknown>;
    const text = textOf(name, field);
    if (!isEqual(rest, {}) || entries.has(text)) {
      throw new RefusedChange(`change ${field} of the kubeconfig: "${printable(text, 200)}"`);
    }
    entries.set(text, fields);
  }
  return entries;
}

function textOf(value: unknown, where: string): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  // YAML reads an unquoted name of digits as a number.
  if (typeof value === "bigint" || Number.isSafeInteger(value)) return String(value);
  throw new RefusedChange(`change ${where}: a name is no text`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether client-go leaves out such a value when it writes a kubeconfig. */
function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === "" || value === false ||
    (Array.isArray(value) ? value.length === 0 : isObject(value) && Object.values(value).every(isEmpty));
}

/** Whether two values mean the same in a kubeconfig. */
export function isEqual(one: unknown, other: unknown): boolean {
  if (isEmpty(one) || isEmpty(other)) return isEmpty(one) && isEmpty(other);
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((each, index) => isEqual(each, other[index]));
  }
  if (!isObject(one) || !isObject(other)) return one === other;
  const keys = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...keys].every((key) => isEqual(ownOf(one, key), ownOf(other, key)));
}

function ownOf(value: Record<string, unknown>, key: string): unknown {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}
