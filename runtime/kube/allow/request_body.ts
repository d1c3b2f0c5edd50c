/**
 * The object in a request's body, read as the API server reads it. A text that two readers could take for different objects
 * is refused, so that what was checked is what the server acts on.
 */

import type { ClusterRequest } from "../cluster.ts";
import { parseGoYaml } from "../config/go_yaml.ts";

/** As of the API server (`--max-resource-write-bytes` and its default of 3 MiB). */
export const MAX_OBJECT_BYTES = 3 << 20;

/** Why a body can't be checked, with the HTTP status that the API server has for it. */
export class UnreadableBody extends Error {
  constructor(
    readonly status: 400 | 413 | 415,
    message: string,
  ) {
    super(message);
  }
}

/** What a body holds. */
export interface RequestBody {
  /** The object or patch; undefined where the body is empty. */
  readonly value: unknown;
  /** What to send in its place. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The type that a request declares, in lower case and without parameters; empty where it declares none. */
export function mediaTypeOf(headers: ClusterRequest["headers"]): string {
  const given = headers.find(([name]) => name.toLowerCase() === "content-type")?.[1] ?? "";
  return given.split(";")[0]!.trim().toLowerCase();
}

/**
 * Reads a body to its end.
 *
 * @throws UnreadableBody 413 for one of more than {@linkcode MAX_OBJECT_BYTES}; what the stream fails with
 */
export async function readBytes(body: ClusterRequest["body"]): Promise<Uint8Array<ArrayBuffer>> {
  const tooLarge = () =>
    new UnreadableBody(413, `Request entity too large: limit is ${MAX_OBJECT_BYTES} bytes`);
  if (body === undefined) return new Uint8Array();
  if (body instanceof Uint8Array) {
    if (body.length > MAX_OBJECT_BYTES) throw tooLarge();
    return body;
  }
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  // What is left of one that is too large is the caller's to take.
  for await (const chunk of body.values({ preventCancel: true })) {
    size += chunk.length;
    if (size > MAX_OBJECT_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/**
 * Reads JSON and YAML. YAML is sent on as the JSON that was understood, which every YAML parser reads in the same way.
 *
 * @throws UnreadableBody 415 for another type, 400 for what is not of its type
 */
export async function parseBody(
  mediaType: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<RequestBody> {
  if (bytes.length === 0) return { value: undefined, bytes };
  const isYaml = /^application\/(yaml|apply-patch\+yaml)$/.test(mediaType);
  const isJson = mediaType === "" ||
    /^application\/(json|json-patch\+json|(strategic-)?merge-patch\+json)$/.test(mediaType);
  if (!isYaml && !isJson) {
    throw new UnreadableBody(
      415,
      "the body of the request is neither JSON nor YAML: krew-wasm can't check it against the plugin's grants",
    );
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new UnreadableBody(400, "the body of the request is not UTF-8");
  }
  const json = parseJson(text);
  if (json !== undefined) return { value: json.value, bytes };
  if (!isYaml) throw new UnreadableBody(400, "the body of the request is not JSON");
  const value = await parseYaml(text);
  return { value, bytes: new TextEncoder().encode(JSON.stringify(value)) };
}

/** @throws UnreadableBody where an object has a key twice: Go merges the two, JavaScript takes the last. */
function parseJson(text: string): { value: unknown } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  let written = 0;
  for (const [, colon] of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/gs)) if (colon !== undefined) written++;
  if (written !== countKeys(value)) {
    throw new UnreadableBody(400, "the body of the request has an object with the same key twice");
  }
  return { value };
}

/** The keys of all objects in it. Not by recursion: a plugin may nest a million arrays. */
function countKeys(value: unknown): number {
  let keys = 0;
  const waiting = [value];
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (typeof next !== "object" || next === null) continue;
    const children = Object.values(next);
    if (!Array.isArray(next)) keys += children.length;
    for (const child of children) waiting.push(child);
  }
  return keys;
}

async function parseYaml(text: string): Promise<unknown> {
  try {
    return withJsonNumbers(await parseGoYaml(text, { uniqueKeys: true, maxAliases: 100 }));
  } catch {
    throw new UnreadableBody(400, "the body of the request is not YAML");
  }
}

/** JSON has integers of any size; JavaScript writes them exactly only if told to. */
function withJsonNumbers(value: unknown): unknown {
  if (typeof value === "bigint") {
    return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(String(value));
  }
  if (Array.isArray(value)) return value.map(withJsonNumbers);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, withJsonNumbers(child)]));
}
