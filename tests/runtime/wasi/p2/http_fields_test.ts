/** Headers of requests and responses. */

import assert from "node:assert/strict";
import { Fields, LENGTH, LOCK, RECEIVED, VIEW } from "../../../../runtime/wasi/p2/http_fields.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const hasTag = (tag: string) => (error: unknown) => (error as { tag?: string }).tag === tag;

Deno.test("Fields keep order and case, and find names in any case", () => {
  const fields = Fields.fromList([["A", bytes("1")], ["b", bytes("2")], ["a", bytes("3")]]);
  assert.deepEqual(fields.get("a").map(text), ["1", "3"]);
  assert.ok(fields.has("B"));
  fields.set("B", [bytes("4"), bytes("5")]);
  fields.delete("A");
  assert.deepEqual(fields.entries().map(([name, value]) => [name, text(value)]), [["B", "4"], ["B", "5"]]);
  const copy = fields.clone();
  copy.append("c", bytes("6"));
  assert.ok(!fields.has("c"));
});

Deno.test("Fields refuse invalid names and values, and the connection's headers", () => {
  const fields = new Fields();
  for (const name of ["", "a b", "a:", "a\r\nb", "ä", "a\0"]) {
    assert.throws(() => fields.append(name, bytes("x")), hasTag("invalid-syntax"), name);
  }
  for (const value of ["a\r\nHost: x", "a\n", "\0", "\x7f"]) {
    assert.throws(() => fields.set("x", [bytes(value)]), hasTag("invalid-syntax"), value);
    assert.throws(() => Fields.fromList([["x", bytes(value)]]), hasTag("invalid-syntax"));
  }
  for (const name of ["Host", "connection", "Transfer-Encoding", "te", "upgrade", "proxy-authorization"]) {
    assert.throws(() => fields.append(name, bytes("x")), hasTag("forbidden"), name);
  }
});

Deno.test("Fields of a response, of a sent request and of a view can't be changed", () => {
  const received = Fields[RECEIVED]([["A", "\xe4"]]);
  assert.deepEqual(received.entries(), [["A", Uint8Array.of(0xe4)]]);
  for (const fields of [received, Fields[LOCK](new Fields()), Fields[VIEW](new Fields())]) {
    assert.throws(() => fields.append("a", bytes("1")), hasTag("immutable"));
    assert.throws(() => fields.set("a", []), hasTag("immutable"));
    assert.throws(() => fields.delete("a"), hasTag("immutable"));
    fields.clone().append("a", bytes("1"));
  }
});

Deno.test("Fields keep a value when the component changes its bytes", () => {
  const value = bytes("before");
  const fields = Fields.fromList([["a", value]]);
  value.fill(0);
  assert.equal(text(fields.get("a")[0]!), "before");
});

Deno.test("Fields tell the body's length if they have one", () => {
  assert.equal(new Fields()[LENGTH](), undefined);
  assert.equal(Fields.fromList([["Content-Length", bytes("12")]])[LENGTH](), 12n);
});
