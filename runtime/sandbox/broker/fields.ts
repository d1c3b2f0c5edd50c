/** Reads the fields of a message and checks each: the sender may be hostile. Pure. */

import { isObject } from "../../base/strict_json.ts";
import type { Json } from "./channel.ts";

/** An invalid message. */
export class BadMessage extends Error {}

/** The fields of a message, each read by its type. @throws BadMessage */
export class Fields {
  #fields: Readonly<Record<string, Json>>;

  constructor(message: Json | undefined) {
    if (!isObject(message)) {
      throw new BadMessage("it is no object");
    }
    this.#fields = message as Readonly<Record<string, Json>>;
  }

  #field(name: string): Json | undefined {
    return Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined;
  }

  text(name: string): string {
    const value = this.#field(name);
    return typeof value === "string" ? value : this.#wrong(name);
  }

  /** A text, or undefined if it is null or missing. */
  textOrNone(name: string): string | undefined {
    const value = this.#field(name) ?? undefined;
    return value === undefined || typeof value === "string" ? value : this.#wrong(name);
  }

  flag(name: string): boolean {
    const value = this.#field(name);
    return typeof value === "boolean" ? value : this.#wrong(name);
  }

  flagOrNone(name: string): boolean | undefined {
    return this.#field(name) === undefined ? undefined : this.flag(name);
  }

  /** A whole number, 0 or more. */
  number(name: string): number {
    const value = this.#field(name);
    return Number.isSafeInteger(value) && value as number >= 0 ? value as number : this.#wrong(name);
  }

  numberOrNone(name: string): number | undefined {
    return this.#field(name) === undefined || this.#field(name) === null ? undefined : this.number(name);
  }

  texts(name: string): string[] {
    const value = this.#field(name);
    return Array.isArray(value) && value.every((item) => typeof item === "string")
      ? value as string[]
      : this.#wrong(name);
  }

  textsOrNone(name: string): string[] | undefined {
    return this.#field(name) === undefined || this.#field(name) === null ? undefined : this.texts(name);
  }

  list(name: string): Fields[] {
    const value = this.#field(name);
    return Array.isArray(value) ? value.map((item) => new Fields(item)) : this.#wrong(name);
  }

  fields(name: string): Fields {
    return new Fields(this.#field(name));
  }

  fieldsOrNone(name: string): Fields | undefined {
    return this.#field(name) === undefined || this.#field(name) === null ? undefined : this.fields(name);
  }

  #wrong(name: string): never {
    throw new BadMessage(`${name} is missing or of another kind`);
  }
}
