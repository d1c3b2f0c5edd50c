/** Hostile messages, and data that JSON has no form for. */

import assert from "node:assert/strict";
import { formatContext, parseContext } from "../../../../runtime/sandbox/broker/broker_context.ts";
import { BadMessage, Fields } from "../../../../runtime/sandbox/broker/fields.ts";
import {
  failureToJson,
  mountOf,
  throwFailure,
} from "../../../../runtime/sandbox/broker/remote_file_calls.ts";
import {
  entryOfText,
  entryToText,
  pathOfText,
  pathToText,
  statOfFields,
  statToJson,
  timeOfText,
  timeToJson,
} from "../../../../runtime/sandbox/broker/file_messages.ts";
import { AppError } from "../../../../runtime/base/errors.ts";
import { LEAST } from "../../../../runtime/grants/grants.ts";
import type { Stat } from "../../../../runtime/wasi/files/file_tree.ts";
import { VERSION } from "../../../../runtime/base/version.ts";
import { fc } from "../../../support/fuzz.ts";

Deno.test("Fields refuses a field of the wrong type", () => {
  const fields = new Fields({
    text: "x",
    flag: true,
    number: 3,
    texts: ["a"],
    none: null,
    inner: { text: "y" },
  });
  assert.equal(fields.text("text"), "x");
  assert.equal(fields.flag("flag"), true);
  assert.equal(fields.number("number"), 3);
  assert.deepEqual(fields.texts("texts"), ["a"]);
  assert.equal(fields.fields("inner").text("text"), "y");
  for (const name of ["none", "missing"]) {
    assert.equal(fields.textOrNone(name), undefined);
    assert.equal(fields.numberOrNone(name), undefined);
    assert.equal(fields.textsOrNone(name), undefined);
    assert.equal(fields.fieldsOrNone(name), undefined);
  }
  for (const name of ["flag", "none", "missing", "constructor", "__proto__"]) {
    assert.throws(() => fields.text(name), BadMessage, name);
    assert.throws(() => fields.texts(name), BadMessage, name);
    assert.throws(() => fields.number(name), BadMessage, name);
  }
  for (const number of [-1, 1.5, 2 ** 60, "3"]) {
    assert.throws(() => new Fields({ number }).number("number"), BadMessage, String(number));
  }
  for (const message of [null, [], "x", 1, undefined]) assert.throws(() => new Fields(message), BadMessage);
});

Deno.test("paths, times and entries arrive unchanged", () => {
  const bytes = fc.uint8Array({ maxLength: 300 }).map((bytes) => new Uint8Array(bytes));
  fc.assert(fc.property(bytes, (path) => {
    assert.deepEqual(pathOfText(JSON.parse(JSON.stringify(pathToText(path)))), path);
    const entry = { name: path, type: "regular-file" as const, ino: 2n ** 63n };
    assert.deepEqual(entryOfText(JSON.parse(JSON.stringify(entryToText(entry)))), entry);
  }));
  assert.deepEqual(pathOfText(pathToText("ü")), new TextEncoder().encode("ü"));
  for (const time of [undefined, "now", 0n, -5n, 2n ** 62n] as const) {
    assert.equal(timeOfText((timeToJson(time) ?? undefined) as string | undefined), time);
  }
  const stat: Stat = {
    ...{ type: "symbolic-link", dev: 1n, ino: 2n ** 64n - 1n, links: 3n, size: 2n ** 40n },
    ...{ accessed: -1n, modified: 0n, changed: 10n ** 18n },
  };
  assert.deepEqual(statOfFields(new Fields(JSON.parse(JSON.stringify(statToJson(stat))))), stat);
});

Deno.test("mountOf() reads exactly the fields of a mount", () => {
  const mount = {
    guest: "/g",
    host: "/h",
    write: true,
    only: ["a"],
    names: ["a", "b"],
    through: ["/l"],
    more: 1,
  };
  assert.deepEqual(mountOf(new Fields(mount)), {
    ...{ guest: "/g", host: "/h", write: true, only: ["a"], through: ["/l"] },
    names: new Map([["a", "b"]]),
  });
  assert.throws(() => mountOf(new Fields({ ...mount, write: "yes" })), BadMessage);
});

Deno.test("an error arrives with its code, message and hint", () => {
  const failure = (error: unknown) =>
    throwFailure(new Fields(JSON.parse(JSON.stringify(failureToJson(error)))));
  assert.throws(() => failure(new AppError("CREDENTIALS_FAILED", "it failed", { hint: "do this" })), {
    code: "CREDENTIALS_FAILED",
    message: "it failed",
    hint: "do this",
  });
  assert.throws(() => failure(new Error("odd")), { code: "INTERNAL", message: "odd" });
  throwFailure(new Fields({}));
});

Deno.test("a context arrives unchanged, in the same version only", () => {
  const context: Parameters<typeof formatContext>[0] = {
    version: VERSION,
    ...{ plugin: "x", args: ["x"], installed: true, grants: LEAST, home: "/h", cwd: "/", root: "/r" },
    ...{ bounds: undefined, asks: true, kubeconfigs: ["/k"], texts: [["/k", "text"]], pid: 1 },
    renewed: [{ path: "/t", links: { "/t": "..data/t" } }],
    files: {
      mounts: [{ guest: "/g", host: "/h", write: true, only: ["a"], names: new Map([["a", "b"]]) }],
      ...{ overlaid: [], protectedPaths: [], unprotectedPaths: [], deniedPaths: [], deniedWrites: [] },
    },
  };
  const { bounds: _, ...rest } = context;
  assert.deepEqual(parseContext(formatContext(context)), rest);
  assert.throws(() => parseContext(formatContext({ ...context, version: "0.0.0" })), { code: "INTERNAL" });
});
