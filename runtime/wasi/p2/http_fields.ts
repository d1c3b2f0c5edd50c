/** wasi:http/types.fields: headers of requests and responses. */

import { fromLatin1, latin1 } from "../../base/bytes.ts";
import { isToken } from "../../base/http_token.ts";
import { contentLength } from "../streams/body.ts";
import type { Kept } from "../host_memory.ts";
import { keptMemory, OBJECT } from "./http_memory.ts";
import { CONSTRUCTED } from "./resources.ts";

// The host's own methods of a resource have symbols as names, because a component could call any string name.
const BYTES = Symbol("bytes");
/** Makes immutable fields of a response. */
export const RECEIVED = Symbol("received");
/** Makes fields immutable. */
export const LOCK = Symbol("lock");
/** Makes a handle of the same fields. */
export const VIEW = Symbol("view");
/** The body's length according to the fields. */
export const LENGTH = Symbol("length");
/** Releases the memory of a resource. */
export const END = Symbol("end");

/** Headers that a guest may not set, because they belong to the connection (wasi:http/types, header-error.forbidden). */
const FORBIDDEN = new Set([
  "connection",
  "host",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
]);

function fieldValueIsValid(value: Uint8Array): boolean {
  return value.every((byte) => byte === 9 || (byte >= 0x20 && byte !== 0x7f));
}

/** wasi:http/types.fields */
export class Fields {
  static readonly [CONSTRUCTED] = true;
  #entries: [name: string, value: Uint8Array][] = [];
  #immutable = false;
  #kept: Kept = keptMemory();

  static fromList(entries: [string, Uint8Array][]): Fields {
    const fields = new Fields();
    for (const [name, value] of entries) fields.append(name, value);
    return fields;
  }

  /** Immutable fields. */
  static [RECEIVED](entries: readonly (readonly [string, string])[]): Fields {
    const fields = new Fields();
    // fetch returns a header's bytes as Latin-1 characters.
    fields.#entries = entries.map((
      [name, value],
    ) => [name, fromLatin1(value)]);
    fields.#immutable = true;
    fields.#kept.grow(fields[BYTES]());
    return fields;
  }

  /** A new handle of the same fields for each call, because the guest drops each. */
  static [VIEW](fields: Fields): Fields {
    const view = new Fields();
    view.#entries = fields.#entries;
    view.#immutable = true;
    return view;
  }

  static [LOCK](fields: Fields): Fields {
    fields.#immutable = true;
    return fields;
  }

  #check(name: string, values: readonly Uint8Array[]): string {
    if (this.#immutable) throw { tag: "immutable" };
    if (!isToken(name) || !values.every(fieldValueIsValid)) throw { tag: "invalid-syntax" };
    const lower = name.toLowerCase();
    if (FORBIDDEN.has(lower)) throw { tag: "forbidden" };
    return lower;
  }

  get(name: string): Uint8Array[] {
    const lower = name.toLowerCase();
    return this.#entries.filter(([entry]) => entry.toLowerCase() === lower).map(([, value]) => value);
  }

  has(name: string): boolean {
    return this.get(name).length > 0;
  }

  set(name: string, values: Uint8Array[]): void {
    this.#remove(this.#check(name, values));
    for (const value of values) this.#add(name, value);
  }

  delete(name: string): void {
    this.#remove(this.#check(name, []));
  }

  append(name: string, value: Uint8Array): void {
    this.#check(name, [value]);
    this.#add(name, value);
  }

  #add(name: string, value: Uint8Array): void {
    this.#kept.grow(sizeOf(name, value));
    this.#entries.push([name, value.slice()]);
  }

  #remove(lower: string): void {
    this.#entries = this.#entries.filter(([name, value]) => {
      if (name.toLowerCase() !== lower) return true;
      this.#kept.grow(-sizeOf(name, value));
      return false;
    });
  }

  entries(): [string, Uint8Array][] {
    return this.#entries;
  }

  clone(): Fields {
    const fields = new Fields();
    for (const [name, value] of this.#entries) fields.#add(name, value);
    return fields;
  }

  [Symbol.dispose](): void {
    this[END]();
  }

  /** Releases the memory. */
  [END](): void {
    this.#kept.end();
  }

  [BYTES](): number {
    return this.#entries.reduce((sum, [name, value]) => sum + sizeOf(name, value), 0);
  }

  /** The body's length according to these headers. */
  [LENGTH](): bigint | undefined {
    return contentLength(this.get("content-length").map((value) => ["content-length", latin1(value)]));
  }
}

function sizeOf(name: string, value: Uint8Array): number {
  return OBJECT + name.length + value.length;
}
