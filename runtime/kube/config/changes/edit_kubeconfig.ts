/**
 * Makes changes of contexts in the text of a kubeconfig. Only the changed entries get other bytes: comments, order and
 * everything else stay. Pure.
 *
 * A change goes into the file into which kubectl writes it (clientcmd.ModifyConfig): a context into the file that
 * defines it; a new context and the current context into the first file that exists, otherwise the last of the list.
 */

import { AppError } from "../../../base/errors.ts";
import { printable } from "../../../base/text.ts";
import type { GoYaml } from "../go_yaml.ts";
import { type ContextChange, isEqual } from "./context_changes.ts";
import type { ContextNodes, ReadNodes } from "./context_nodes.ts";
import { addContext, deleteContext, setCurrent, setName, setNamespace } from "./context_edits.ts";

/** A file of the list; `text` is undefined if it does not exist. */
export interface ConfigFile {
  readonly path: string;
  readonly text: string | undefined;
}

/** What {@linkcode editKubeconfigs} needs of the loaded YAML parser. */
export interface Yaml {
  readonly values: GoYaml;
  readonly nodes: ReadNodes;
}

type Values = Record<string, unknown>;

/**
 * The files that change, with their new texts.
 *
 * @param files in the order of kubectl's precedence, at least one
 * @throws AppError KUBECONFIG_UNCHANGED if a text cannot be changed in this way
 */
export function editKubeconfigs(
  files: readonly ConfigFile[],
  changes: readonly ContextChange[],
  yaml: Yaml,
): Map<string, string> {
  const texts = new Map(files.map(({ path, text }) => [path, text]));
  const paths = [...texts.keys()];
  const fallback = paths.find((path) => texts.get(path) !== undefined) ?? paths.at(-1)!;
  const edited = new Map<string, string>();
  for (const change of changes) {
    const path = fileOf(change, paths, texts, fallback, yaml);
    const text = editText(texts.get(path) ?? "", change, yaml, path);
    texts.set(path, text);
    edited.set(path, text);
  }
  return edited;
}

function fileOf(
  change: ContextChange,
  paths: readonly string[],
  texts: ReadonlyMap<string, string | undefined>,
  fallback: string,
  yaml: Yaml,
): string {
  const first = (has: (values: Values) => boolean) =>
    paths.find((path) => texts.get(path) !== undefined && has(valuesOf(texts.get(path)!, yaml, path)));
  if (change.kind === "add" || change.kind === "use" && change.to !== "") return fallback;
  if (change.kind === "use") return first((values) => !isEqual(values["current-context"], "")) ?? fallback;
  const name = change.kind === "rename" ? change.from : change.context;
  const path = first((values) => listOf(values.contexts).some((item) => nameOf(item) === name));
  if (path === undefined) throw unchanged(paths[0]!, `it has no context "${printable(name, 200)}"`);
  return path;
}

/** One change. The result must mean exactly that to kubectl, else it is refused. */
function editText(text: string, change: ContextChange, yaml: Yaml, path: string): string {
  const wanted = changedValues(valuesOf(text, yaml, path), change);
  const nodes = yaml.nodes(text);
  const edited = nodes && makeEdit(nodes, change);
  let got: unknown;
  try {
    got = edited === undefined ? undefined : valuesOf(edited, yaml, path);
  } catch { /* the next line reports it */ }
  if (edited === undefined || !isEqual(got, wanted)) {
    throw unchanged(path, "krew-wasm cannot change this entry without changing others", "use kubectl config");
  }
  return edited;
}

function makeEdit(nodes: ContextNodes, change: ContextChange): string | undefined {
  switch (change.kind) {
    case "use":
      return setCurrent(nodes, change.to);
    case "namespace":
      return setNamespace(nodes, change.context, change.to);
    case "rename":
      return setName(nodes, change.from, change.to);
    case "delete":
      return deleteContext(nodes, change.context);
    case "add":
      return addContext(nodes, change.context, change);
  }
}

/** What the changed file means. */
function changedValues(values: Values, change: ContextChange): Values {
  const contexts = listOf(values.contexts);
  const others = (edit: (item: Values) => Values[]) => ({
    ...values,
    contexts: contexts.flatMap((item) => edit(item as Values)),
  });
  switch (change.kind) {
    case "use":
      return { ...values, "current-context": change.to };
    case "namespace":
      return others((item) => {
        const context = { ...item.context as Values, namespace: change.to };
        return [nameOf(item) === change.context ? { ...item, context } : item];
      });
    case "rename":
      return others((item) => [nameOf(item) === change.from ? { ...item, name: change.to } : item]);
    case "delete":
      return others((item) => nameOf(item) === change.context ? [] : [item]);
    case "add": {
      const { cluster, user, namespace } = change;
      return {
        ...values,
        contexts: [...contexts, { name: change.context, context: { cluster, user, namespace } }],
      };
    }
  }
}

function valuesOf(text: string, { values }: Yaml, path: string): Values {
  let value: unknown;
  try {
    value = values(text, { uniqueKeys: true, maxAliases: 1000 }) ?? {};
  } catch {
    throw unchanged(path, "it is not YAML, or has a key twice");
  }
  if (typeof value !== "object" || Array.isArray(value)) throw unchanged(path, "it is not a mapping");
  return value as Values;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The name of an entry. YAML reads an unquoted name of digits as a number. */
function nameOf(item: unknown): string {
  return String((item as Values | null)?.name ?? "");
}

/** The error for a kubeconfig that stays as it is. */
export function unchanged(path: string, why: string, hint?: string, cause?: unknown): AppError {
  return new AppError("KUBECONFIG_UNCHANGED", `Cannot change "${printable(path, 300)}": ${why}`, {
    hint,
    cause,
  });
}
