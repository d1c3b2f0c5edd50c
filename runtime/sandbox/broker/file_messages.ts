/** Encodes file data for messages between a run and its broker, where JSON has no form. Pure. */

import { bytesOf, fromLatin1, latin1 } from "../../wasi/files/linux/byte_paths.ts";
import type { Entry, GuestPath, NewTime, NodeType, Stat } from "../../wasi/files/file_tree.ts";
import type { Json } from "./channel.ts";
import type { Fields } from "./fields.ts";

/** Bytes as a text of as many characters. */
export function pathToText(path: GuestPath): string {
  return latin1(bytesOf(path));
}

/** The reverse of {@linkcode pathToText}. */
export function pathOfText(text: string): Uint8Array<ArrayBuffer> {
  return fromLatin1(text);
}

/** Times as texts: nanoseconds, `now`, or null. */
export function timeToJson(time: NewTime): Json {
  return time === undefined ? null : time === "now" ? time : String(time);
}

/** The reverse of {@linkcode timeToJson}. */
export function timeOfText(text: string | undefined): NewTime {
  return text === undefined || text === "now" ? text : BigInt(text);
}

const NUMBERS = ["dev", "ino", "links", "size", "accessed", "modified", "changed"] as const;

/** A file's metadata. */
export function statToJson(stat: Stat): Json {
  return { type: stat.type, ...Object.fromEntries(NUMBERS.map((name) => [name, String(stat[name])])) };
}

/** The reverse of {@linkcode statToJson}. */
export function statOfFields(fields: Fields): Stat {
  const numbers = Object.fromEntries(NUMBERS.map((name) => [name, BigInt(fields.text(name))]));
  return { type: fields.text("type") as NodeType, ...numbers as Omit<Stat, "type"> };
}

/** A directory's entry as one text: number, type and name. */
export function entryToText({ ino, type, name }: Entry): string {
  return `${ino} ${type} ${latin1(name)}`;
}

/** The reverse of {@linkcode entryToText}. */
export function entryOfText(text: string): Entry {
  const [ino = "0", type = "unknown"] = text.split(" ", 2);
  return {
    ino: BigInt(ino),
    type: type as NodeType,
    name: pathOfText(text.slice(ino.length + type.length + 2)),
  };
}
