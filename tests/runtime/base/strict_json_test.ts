import assert from "node:assert/strict";
import {
  boolean,
  converted,
  defaultTo,
  integer,
  list,
  nullable,
  object,
  optional,
  parsed,
  parseJson,
  text,
  word,
} from "../../../runtime/base/strict_json.ts";

interface Thing {
  readonly name: string;
  readonly size?: number;
  readonly shared: boolean;
  readonly tags: readonly string[];
}

const FIELDS = {
  name: text(),
  size: optional(integer(1)),
  shared: defaultTo(boolean, true),
  tags: list(word("a", "b"), 2),
};

Deno.test("object() reads fields, leaves out absent ones and fills in defaults", () => {
  const thing = object<Thing>(FIELDS);
  assert.deepEqual(thing({ name: "x", tags: [] }, ""), { name: "x", shared: true, tags: [] });
  const whole = { name: "x", size: 1, shared: false, tags: ["b"] };
  assert.deepEqual(thing(whole, ""), whole);
});

Deno.test("object() names the path of a wrong field", () => {
  const thing = object<Thing>(FIELDS);
  const good = { name: "x", tags: [] };
  for (
    const [value, message] of [
      [[], "it is not an object"],
      [null, "it is not an object"],
      [{ tags: [] }, "name is missing"],
      [{ ...good, size: null }, "size is not a whole number from 1 on"],
      [{ ...good, shared: "no" }, "shared is neither true nor false"],
      [{ ...good, tags: ["a", "c"] }, 'tags[1] is not "a" or "b"'],
      [{ ...good, tags: ["a", "a", "a"] }, "tags has 3 items, more than 2"],
      [{ ...good, nmae: 1 }, "nmae is not known"],
      [{ ...good, "\x1b[2J": 1 }, "\\x1b[2J is not known"],
    ] as const
  ) assert.throws(() => thing(value, ""), { message }, JSON.stringify(value));
  assert.throws(() => thing({ tags: [] }, "things[0]"), { message: "things[0].name is missing" });
});

Deno.test("object() ignores unknown fields only if it is told to", () => {
  const thing = object<{ name: string }>({ name: text() }, "ignored");
  assert.deepEqual(thing({ name: "x", later: 1 }, ""), { name: "x" });
});

Deno.test("parsed() and converted() put the path before the parser's error", () => {
  const refuse = () => {
    throw new Error("no");
  };
  assert.throws(() => parsed(refuse)("x", "at"), { message: "at: no" });
  assert.throws(() => parsed(refuse)(1, "at"), { message: "at is not a text" });
  assert.throws(() => converted(refuse)(1, "at"), { message: "at: no" });
  assert.equal(nullable(integer(0))(null, "at"), undefined);
  assert.throws(() => parseJson("{"), { message: "it is not JSON" });
});
