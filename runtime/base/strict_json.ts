/**
 * Strict readers for JSON: every field must be present and of its type, and unknown fields are errors. So a misspelt field
 * never counts as a missing one. Pure.
 */

import { printable } from "./text.ts";

/**
 * Reads a parsed value. `path` is its position: `grants.files[0].host`. @throws Error naming the path #19-21 Reads an
 * object with exactly these fields. The result omits an absent {@linkcode optional} field.
 */
export type Reader<T> = (value: unknown, path: string) => T;

/** A reader whose field may be absent. */
type Optional<T> = Reader<T> & { readonly optional: true };

/** `PATH is …` */
export function malformed(path: string, what: string): never {
  throw new Error(`${path === "" ? "it" : path} ${what}`);
}

/**
 * An object with exactly these fields. What an {@linkcode optional} field lacks is left out of the result.
 */
export function object<T extends object>(
  fields: { readonly [Field in keyof T]-?: Reader<Exclude<T[Field], undefined>> },
): Reader<T> {
  const readers = Object.entries(fields) as [string, Reader<unknown>][];
  const known = new Set(readers.map(([field]) => field));
  return (value, path) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      return malformed(path, value === undefined ? "is missing" : "is not an object");
    }
    const at = (field: string) => path === "" ? field : `${path}.${field}`;
    for (const field of Object.keys(value)) {
      if (!known.has(field)) malformed(at(printable(field, 60)), "is not known");
    }
    const read: Record<string, unknown> = {};
    for (const [field, reader] of readers) {
      if (Object.hasOwn(value, field)) {
        read[field] = reader((value as Record<string, unknown>)[field], at(field));
      } else if (!("optional" in reader)) malformed(at(field), "is missing");
    }
    return read as T;
  };
}

/** A field that may be absent, in formats that omit empty fields. */
export function optional<T>(reader: Reader<T>): Optional<T> {
  return Object.assign((value: unknown, path: string) => reader(value, path), { optional: true } as const);
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

/** Reads a list. */
export function list<T>(reader: Reader<T>): Reader<T[]> {
  return (value, path) =>
    Array.isArray(value)
      ? value.map((item, index) => reader(item, `${path}[${index}]`))
      : malformed(path, "is not a list");
}

/** Reads a text with a parser. The parser throws an Error without the path. */
export function parsed<T>(parse: (value: string) => T): Reader<T> {
  return (value, path) => {
    if (typeof value !== "string") return malformed(path, "is not a text");
    try {
      return parse(value);
    } catch (error) {
      throw new Error(`${path}: ${(error as Error).message}`);
    }
  };
}
