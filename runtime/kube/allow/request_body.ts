/**
 * Parses the object in a request's body as the API server parses it. It refuses a text that two parsers could read as
 * different objects, so that the server acts on the object that was checked.
 */

import { decodeUtf8 } from "../../base/bytes.ts";
import type { ClusterRequest } from "../cluster.ts";
import { parseGoYaml } from "../config/go_yaml.ts";

/** The API server's own limit (`--max-resource-write-bytes`, 3 MiB by default). */
export const MAX_OBJECT_BYTES = 3 << 20;

/** Why a body can't be checked, with the API server's HTTP status for it. */
export class UnreadableBody extends Error {
  constructor(
    readonly status: 400 | 413 | 415,
    message: string,
  ) {
    super(message);
  }
}

/** A parsed body. */
export interface RequestBody {
  /** The object or patch; undefined for an empty body. */
  readonly value: unknown;
  /** The bytes to send instead. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A request's media type in lower case, without parameters; empty if the request declares none. */
export function mediaTypeOf(headers: ClusterRequest["headers"]): string {
  const given = headers.find(([name]) => name.toLowerCase() === "content-type")?.[1] ?? "";
  return given.split(";")[0]!.trim().toLowerCase();
}

/**
 * Reads a body to its end.
 *
 * @throws UnreadableBody 413 for more than {@linkcode MAX_OBJECT_BYTES}; any error of the stream
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
  // If the body is too large, the caller reads the rest.
  for await (const chunk of body.values({ preventCancel: true })) {
    size += chunk.length;
    if (size > MAX_OBJECT_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

/**
 * Parses JSON and YAML. YAML is sent on as JSON, which every YAML parser reads in the same way.
 *
 * @throws UnreadableBody 415 for another media type, 400 for a malformed body
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
  const text = decodeUtf8(bytes);
  if (text === undefined) throw new UnreadableBody(400, "the body of the request is not UTF-8");
  const json = parseJson(text);
  if (json !== undefined) return { value: json.value, bytes };
  if (!isYaml) throw new UnreadableBody(400, "the body of the request is not JSON");
  const value = await parseYaml(text);
  return { value, bytes: new TextEncoder().encode(JSON.stringify(value)) };
}

/** @throws UnreadableBody for a duplicate key: Go merges the two values, JavaScript takes the last. */
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

/** Counts the keys of all nested objects. Not recursive: a plugin may nest a million arrays. */
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

/** Keeps large integers exact: JavaScript does not write them exactly by itself. */
function withJsonNumbers(value: unknown): unknown {
  if (typeof value === "bigint") {
    return (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(String(value));
  }
  if (Array.isArray(value)) return value.map(withJsonNumbers);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, withJsonNumbers(child)]));
}
