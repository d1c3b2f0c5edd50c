/**
 * The edits of a kubeconfig's text, each at the place of its entry. An edit returns undefined if the text has a form
 * that it does not know. Pure.
 */

import type { Node, Scalar, YAMLSeq } from "yaml";
import type { ContextFields } from "./context_changes.ts";
import type { ContextNodes, Mapping } from "./context_nodes.ts";

/** Sets or clears the current context. */
export function setCurrent(nodes: ContextNodes, name: string): string | undefined {
  return setField(nodes, nodes.root, "current-context", name);
}

/** Sets or clears a context's namespace. */
export function setNamespace(nodes: ContextNodes, context: string, namespace: string): string | undefined {
  const item = itemNamed(nodes, context);
  const fields = item && nodes.pair(item, "context")?.value;
  return nodes.isMap(fields) ? setField(nodes, fields, "namespace", namespace) : undefined;
}

/** Renames a context. */
export function setName(nodes: ContextNodes, from: string, to: string): string | undefined {
  const item = itemNamed(nodes, from);
  return item && setField(nodes, item, "name", to);
}

/** Removes a context, with the comments inside of it. */
export function deleteContext(nodes: ContextNodes, context: string): string | undefined {
  const list = listIn(nodes);
  const item = itemNamed(nodes, context);
  if (!list || !item) return undefined;
  const index = list.items.indexOf(item);
  const { text } = nodes;
  const [start, end] = [list.range![0], contentEnd(nodes, list)];
  if (list.items.length === 1) return splice(text, start, end, `${list.flow ? "" : afterKey(text, start)}[]`);
  if (list.flow) {
    const [next, before] = [list.items[index + 1], list.items[index - 1]];
    return next
      ? splice(text, item.range![0], next.range![0], "")
      : splice(text, before!.range![1], item.range![1], "");
  }
  const from = lineStart(text, item.range![0]);
  if (!/^[ \t]*-[ \t]+$/.test(text.slice(from, item.range![0]))) return undefined;
  return splice(text, from, nextLine(text, contentEnd(nodes, item)), "");
}

/** Adds a context at the end of the list. */
export function addContext(nodes: ContextNodes, name: string, fields: ContextFields): string | undefined {
  const { text, root } = nodes;
  const list = listIn(nodes);
  const set = (["cluster", "namespace", "user"] as const).filter((field) => fields[field] !== "");
  const flow = JSON.stringify({
    context: Object.fromEntries(set.map((field) => [field, fields[field]])),
    name,
  });
  const block = (indent: string) =>
    [
      `${indent}- context:${set.length === 0 ? " {}" : ""}`,
      ...set.map((field) => `${indent}    ${field}: ${scalar(fields[field])}`),
      `${indent}  name: ${scalar(name)}`,
    ].join(newline(text)) + newline(text);
  if (list && list.items.length > 0) {
    const last = list.items.at(-1)!;
    if (list.flow) return splice(text, last.range![1], last.range![1], `, ${flow}`);
    const at = nextLine(text, contentEnd(nodes, last));
    const indent = /^[ \t]*/.exec(text.slice(lineStart(text, list.range![0])))![0];
    return splice(text, at, at, `${endsLine(text, at)}${block(indent)}`);
  }
  const pair = root && nodes.pair(root, "contexts");
  if (pair?.value?.range && (list || nodes.isScalar(pair.value))) {
    const [from, to] = pair.value.range;
    return splice(text, from, to, `${text[from - 1] === ":" ? " " : ""}[${flow}]`);
  }
  if (pair) return undefined;
  if (root?.flow) return addField(nodes, root, `"contexts": [${flow}]`);
  const added = `contexts:${newline(text)}${block("")}`;
  return root ? addLine(nodes, root, added.trimEnd()) : `${text}${endsLine(text, text.length)}${added}`;
}

/** Sets a field of a mapping; an empty text stands for none. */
function setField(
  nodes: ContextNodes,
  map: Mapping | undefined,
  key: string,
  value: string,
): string | undefined {
  const { text } = nodes;
  const pair = map && nodes.pair(map, key);
  if (!pair) {
    if (value === "") return text;
    if (!map) return `${text}${endsLine(text, text.length)}${key}: ${scalar(value)}${newline(text)}`;
    return map.flow
      ? addField(nodes, map, `"${key}": ${JSON.stringify(value)}`)
      : addLine(nodes, map, `${key}: ${scalar(value)}`);
  }
  const node = pair.value;
  if (!nodes.isScalar(node) || !node.range || node.anchor !== undefined) return undefined;
  if (value === "") {
    const without = withoutLine(nodes, map, pair.key, node);
    if (without !== undefined) return without;
  }
  const from = node.range[0];
  const to = scalarEnd(node);
  const written = map.flow ? JSON.stringify(value) : scalar(value);
  return splice(text, from, to, `${text[from - 1] === ":" ? " " : ""}${written}`);
}

/** Removes a field that has lines of its own between others. */
function withoutLine({ text }: ContextNodes, map: Mapping, key: Node, value: Scalar): string | undefined {
  const from = lineStart(text, key.range![0]);
  const blank = /^[ \t]*$/.test(text.slice(from, key.range![0]));
  if (map.flow || map.items.length < 2 || !blank) return undefined;
  return splice(text, from, nextLine(text, scalarEnd(value)), "");
}

/** Adds a field in front of a flow mapping (`{…}`), with what separates its first field from the brace. */
function addField({ text }: ContextNodes, map: Mapping, field: string): string | undefined {
  const at = map.range![0] + 1;
  const first = map.items[0]?.key.range?.[0];
  if (first === undefined) return map.items.length === 0 ? splice(text, at, at, field) : undefined;
  const gap = text.slice(at, first);
  return /^\s*$/.test(gap) ? splice(text, first, first, `${field},${gap === "" ? " " : gap}`) : undefined;
}

/** Adds a field to a block mapping, on its own line after the first field whose value ends its line. */
function addLine(nodes: ContextNodes, map: Mapping, field: string): string | undefined {
  const { text } = nodes;
  const [first] = map.items;
  if (!first?.key.range) return undefined;
  const column = first.key.range[0] - lineStart(text, first.key.range[0]);
  const lines = field.split(/\r?\n/).map((line, index) => index === 0 ? line : " ".repeat(column) + line)
    .join(newline(text));
  const before = map.items.find(({ value }) =>
    nodes.isScalar(value) && value.range !== undefined && value.range !== null &&
    ["PLAIN", "QUOTE_DOUBLE", "QUOTE_SINGLE"].includes(value.type ?? "") &&
    !text.slice(value.range[0], value.range[1]).includes("\n")
  );
  if (before) {
    const at = nextLine(text, before.value!.range![1]);
    return splice(text, at, at, `${endsLine(text, at)}${" ".repeat(column)}${lines}${newline(text)}`);
  }
  const at = first.key.range[0];
  return splice(text, at, at, `${lines}${newline(text)}${" ".repeat(column)}`);
}

function listIn(nodes: ContextNodes): YAMLSeq<Node> | undefined {
  const list = nodes.root && nodes.pair(nodes.root, "contexts")?.value;
  return nodes.isSeq(list) ? list : undefined;
}

function itemNamed(nodes: ContextNodes, name: string): Mapping | undefined {
  for (const item of listIn(nodes)?.items ?? []) {
    if (!nodes.isMap(item)) continue;
    const value = nodes.pair(item, "name")?.value;
    if (nodes.isScalar(value) && String(value.value) === name) return item;
  }
  return undefined;
}

/** Where the last value in a node ends, without comments after it. */
function contentEnd(nodes: ContextNodes, node: Node): number {
  for (let at: Node = node;;) {
    if (nodes.isMap(at) && !at.flow && at.items.length > 0) {
      const { key, value } = at.items.at(-1)!;
      at = value?.range ? value : key;
    } else if (nodes.isSeq(at) && !at.flow && at.items.length > 0) at = at.items.at(-1)!;
    else return nodes.isScalar(at) ? scalarEnd(at) : at.range![1];
  }
}

/** Where a scalar ends. The parser counts the line end of a block scalar (`|`) to it. */
function scalarEnd({ type, range }: Scalar): number {
  return type?.startsWith("BLOCK") ? range![1] - 1 : range![1];
}

function splice(text: string, from: number, to: number, added: string): string {
  return text.slice(0, from) + added + text.slice(to);
}

function lineStart(text: string, at: number): number {
  return text.lastIndexOf("\n", at - 1) + 1;
}

/** The start of the line after a position; the end of the text if there is none. */
function nextLine(text: string, at: number): number {
  const end = text.indexOf("\n", at);
  return end < 0 ? text.length : end + 1;
}

function newline(text: string): string {
  return text.includes("\r\n") ? "\r\n" : "\n";
}

/** A line end if the text before a position lacks one. */
function endsLine(text: string, at: number): string {
  return at === 0 || text[at - 1] === "\n" ? "" : newline(text);
}

/** What separates `contexts:` from a list that moves up to its line. */
function afterKey(text: string, at: number): string {
  return text.slice(lineStart(text, at), at).trim() === "" ? " ".repeat(2) : " ";
}

/** A YAML scalar for a text: plain only if no YAML version reads it as something else. */
function scalar(text: string): string {
  const plain = /^[A-Za-z][A-Za-z0-9_.@/-]*$/.test(text) &&
    !/^(?:true|false|null|yes|no|on|off|y|n|nan|inf)$/i.test(text);
  return plain ? text : JSON.stringify(text);
}
