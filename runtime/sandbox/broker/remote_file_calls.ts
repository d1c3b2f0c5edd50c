/** The run's side of files that its broker opens: sends calls as messages, and returns values or throws errors. */

import { AppError, type ErrorCode, messageOf } from "../../base/errors.ts";
import type { Mount } from "../types.ts";
import { ERRNO, type ErrnoName, WasiError } from "../../wasi/errno.ts";
import type { FileCalls } from "../types.ts";
import type { Json, Packet } from "./channel.ts";
import { Fields } from "./fields.ts";

/** Sends a message and waits for its answer. */
export type Request = (message: Readonly<Record<string, Json>>) => Packet;

/** File calls as messages. */
export function fileCalls(request: Request): FileCalls {
  return {
    mount(mount) {
      const fields = new Fields(request({ ask: "mount", mount: mountToJson(mount) }).message);
      throwFailure(fields);
      return fields.number("node");
    },
    call(name, message) {
      const { message: answer, files } = request({ ...message, ask: "file", name });
      const fields = new Fields(answer);
      throwFailure(fields);
      const errno = fields.textOrNone("errno");
      if (errno !== undefined) throw new WasiError(Object.hasOwn(ERRNO, errno) ? errno as ErrnoName : "io");
      return { fields, files };
    },
  };
}

/** Throws the error in an answer. */
export function throwFailure(fields: Fields): void {
  const failure = fields.fieldsOrNone("failure");
  if (!failure) return;
  throw new AppError(failure.text("code") as ErrorCode, failure.text("message"), {
    hint: failure.textOrNone("hint"),
  });
}

/** An error as an answer. */
export function failureToJson(error: unknown): { readonly failure: Json } {
  const { code, message, hint } = error instanceof AppError
    ? error
    : { code: "INTERNAL", message: messageOf(error), hint: undefined };
  return { failure: { code, message, ...(hint === undefined ? {} : { hint }) } };
}

/** A mount as a message. */
function mountToJson({ names, ...mount }: Mount): Json {
  return { ...JSON.parse(JSON.stringify(mount)), names: [...names ?? []].flat() };
}

/** The reverse of {@linkcode mountToJson}. @throws BadMessage */
export function mountOf(fields: Fields): Mount {
  const [only, through, pairs] = [
    fields.textsOrNone("only"),
    fields.textsOrNone("through"),
    fields.texts("names"),
  ];
  const names = new Map<string, string>();
  for (let index = 0; index + 1 < pairs.length; index += 2) names.set(pairs[index]!, pairs[index + 1]!);
  return {
    guest: fields.text("guest"),
    host: fields.text("host"),
    write: fields.flag("write"),
    ...(fields.flagOrNone("makesDirectory") ? { makesDirectory: true } : {}),
    ...(only ? { only } : {}),
    ...(names.size > 0 ? { names } : {}),
    ...(through ? { through } : {}),
  };
}
