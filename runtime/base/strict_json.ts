/**
 * Strict readers for parsed JSON and YAML: every field must be present and of its type, and unknown fields are errors. So
 * a misspelt field never counts as a missing one. Pure.
 */

import { printable } from "./text.ts";

/** Reads a parsed value. `path` is its position, such as `grants.files[0].host`. @throws Error naming the path */
export type Reader<T> = (value: unknown, path: string) => T;

/** A reader whose field may be absent. */
type Optional<T> = Reader<T> & { readonly optional: true };

/** A reader whose field may be absent, and then has a value. */
type WithDefault<T> = Reader<T> & { readonly standard: T };

/** Whether a parsed value is an object, and not a list. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Parses JSON. @throws Error */
export function parseJson(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    throw new Error("it is not JSON");
  }
}

/** `PATH is …` */
export function malformed(path: string, what: string): never {
  throw new Error(`${path === "" ? "it" : path} ${what}`);
}

/**
 * Reads an object with these fields. The result omits an absent {@linkcode optional} field.
 *
 * @param others what a field is that no reader knows: an error, or ignored as part of a later version
 */
export function object<T extends object>(
  fields: { readonly [Field in keyof T]-?: Reader<Exclude<T[Field], undefined>> },
  others: "refused" | "ignored" = "refused",
): Reader<T> {
  const readers = Object.entries(fields) as [string, Reader<unknown>][];
  const known = new Set(readers.map(([field]) => field));
  return (value, path) => {
    if (!isObject(value)) return malformed(path, value === undefined ? "is missing" : "is not an object");
    const at = (field: string) => path === "" ? field : `${path}.${field}`;
    for (const field of others === "refused" ? Object.keys(value) : []) {
      if (!known.has(field)) malformed(at(printable(field, 60)), "is not known");
    }
    const read: Record<string, unknown> = {};
    for (const [field, reader] of readers) {
      if (Object.hasOwn(value, field)) read[field] = reader(value[field], at(field));
      else if ("standard" in reader) read[field] = reader.standard;
      else if (!("optional" in reader)) malformed(at(field), "is missing");
    }
    return read as T;
  };
}

/** A field that may be absent, in formats that omit empty fields. */
export function optional<T>(reader: Reader<T>): Optional<T> {
  return Object.assign((value: unknown, path: string) => reader(value, path), { optional: true } as const);
}

/** A field that may be absent, and then has this value. */
export function defaultTo<T>(reader: Reader<T>, standard: T): WithDefault<T> {
  return Object.assign((value: unknown, path: string) => reader(value, path), { standard });
}

/** Reads `null` as undefined. */
export function nullable<T>(reader: Reader<T>): Reader<T | undefined> {
  return (value, path) => value === null ? undefined : reader(value, path);
}

export const boolean: Reader<boolean> = (value, path) =>
  typeof value === "boolean" ? value : malformed(path, "is neither true nor false");

/** Reads a whole number of at least `least`. */
export function integer(least: number): Reader<number> {
  return (value, path) =>
    Number.isSafeInteger(value) && (value as number) >= least
      ? value as number
      : malformed(path, `is not a whole number from ${least} on`);
}

/** Reads a text that is not empty, or that matches a pattern. */
export function text(pattern = /[^]/, what = "is not a text"): Reader<string> {
  return (value, path) => typeof value === "string" && pattern.test(value) ? value : malformed(path, what);
}

/** Reads one of a few words. */
export function word<T extends string>(...words: readonly T[]): Reader<T> {
  return (value, path) =>
    (words as readonly unknown[]).includes(value)
      ? value as T
      : malformed(path, `is not ${words.map((one) => `"${one}"`).join(" or ")}`);
}

/** Reads a list of at most `most` items. */
export function list<T>(reader: Reader<T>, most = Infinity): Reader<T[]> {
  return (value, path) => {
    if (!Array.isArray(value)) return malformed(path, "is not a list");
    if (value.length > most) return malformed(path, `has ${value.length} items, more than ${most}`);
    return value.map((item, index) => reader(item, `${path}[${index}]`));
  };
}

/** Reads any value; a later step reads it further. */
export const anything: Reader<unknown> = (value) => value;

/** Reads a value with a parser. The parser throws an Error without the path. */
export function converted<T>(parse: (value: unknown) => T): Reader<T> {
  return (value, path) => {
    try {
      return parse(value);
    } catch (error) {
      throw new Error(`${path}: ${(error as Error).message}`);
    }
  };
}

/** Reads a text with a parser. The parser throws an Error without the path. */
export function parsed<T>(parse: (value: string) => T): Reader<T> {
  const read = converted((value) => parse(value as string));
  return (value, path) => typeof value === "string" ? read(value, path) : malformed(path, "is not a text");
}
