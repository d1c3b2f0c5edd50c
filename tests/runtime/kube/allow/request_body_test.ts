import assert from "node:assert/strict";
import {
  MAX_OBJECT_BYTES,
  mediaTypeOf,
  parseBody,
  readBytes,
} from "../../../../runtime/kube/allow/request_body.ts";

const parse = async (text: string | Uint8Array<ArrayBuffer>, type = "application/json") =>
  await parseBody(type, typeof text === "string" ? new TextEncoder().encode(text) : text);

Deno.test("JSON is parsed and sent unchanged", async () => {
  const text =
    '{ "a": 12345678901234567890, "b": {"a": [{"b": "\\"c\\": 1"}]}, "__proto__": {"x": 1}, "toString": 2 }';
  const { value, bytes } = await parse(text);
  assert.deepEqual(value, JSON.parse(text));
  assert.equal(new TextDecoder().decode(bytes), text);
  assert.equal((await parse("")).value, undefined);
  for (const type of ["", "application/merge-patch+json", "application/json-patch+json"]) {
    assert.deepEqual((await parse("[1]", type)).value, [1]);
  }
});

Deno.test("a duplicate key is refused, because parsers disagree on it", async () => {
  for (
    const text of [
      '{"a":1,"a":1}',
      '{"metadata":{"ownerReferences":[]},"metadata":{}}',
      '[{"a":{"b":1,"b" : 2}}]',
      '{"a":1,"\\u0061":2}',
      '{"__proto__":1,"__proto__":2}',
    ]
  ) {
    await assert.rejects(parse(text), { status: 400 }, text);
    await assert.rejects(parse(text, "application/apply-patch+yaml"), { status: 400 }, text);
  }
  await assert.rejects(parse("a: 1\na: 2\n", "application/yaml"), { status: 400 });
});

Deno.test("YAML is parsed as the API server parses it, and sent as JSON", async () => {
  const { value, bytes } = await parse(
    "a: yes\nb: 012\nc: 12345678901234567890\nd: 2024-01-02\ne: &x {f: ~}\ng: *x\nh: !!binary aGk=\n",
    "application/yaml",
  );
  assert.deepEqual(JSON.parse(new TextDecoder().decode(bytes)), {
    a: true,
    b: 10,
    c: 12345678901234567890,
    d: "2024-01-02",
    e: { f: null },
    g: { f: null },
    h: "hi",
  });
  assert.match(new TextDecoder().decode(bytes), /12345678901234567890/);
  assert.equal((value as { a: unknown }).a, true);
});

Deno.test("an unreadable body is refused with the server's status", async () => {
  await assert.rejects(parse("k8s\0", "application/vnd.kubernetes.protobuf"), { status: 415 });
  await assert.rejects(parse("\xa1", "application/cbor"), { status: 415 });
  await assert.rejects(parse("x", "text/plain"), { status: 415 });
  await assert.rejects(parse("{", "application/json"), { status: 400 });
  await assert.rejects(parse("a: [", "application/yaml"), { status: 400 });
  await assert.rejects(parse(new Uint8Array([0x22, 0xff, 0x22])), { status: 400 });
});

Deno.test("a body with a million levels does not crash the parser", async () => {
  const deep = "[".repeat(1_000_000);
  await parse(deep + "]".repeat(1_000_000)).catch(({ status }) => assert.equal(status, 400));
  await assert.rejects(parse(deep), { status: 400 });
});

Deno.test("readBytes() stops at the server's limit and leaves the rest", async () => {
  const stream = (size: number) =>
    new Blob([new Uint8Array(size)]).stream() as ReadableStream<Uint8Array<ArrayBuffer>>;
  assert.equal((await readBytes(stream(MAX_OBJECT_BYTES))).length, MAX_OBJECT_BYTES);
  const large = stream(MAX_OBJECT_BYTES + 1_000_000);
  await assert.rejects(readBytes(large), { status: 413 });
  assert.ok(!large.locked);
  await large.cancel();
  await assert.rejects(readBytes(new Uint8Array(MAX_OBJECT_BYTES + 1)), { status: 413 });
});

Deno.test("mediaTypeOf() returns the first type without parameters", () => {
  assert.equal(
    mediaTypeOf([["CONTENT-TYPE", "Application/JSON; charset=utf-8"], ["content-type", "x/y"]]),
    "application/json",
  );
  assert.equal(mediaTypeOf([]), "");
});
