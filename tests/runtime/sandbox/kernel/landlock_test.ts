/** The rulesets for each version of the interface. */

import assert from "node:assert/strict";
import {
  pathRule,
  portRight,
  portRule,
  rightsOf,
  rulesetAttribute,
} from "../../../../runtime/sandbox/kernel/landlock.ts";

const MENDED = 0b111;
const fields = (bytes: Uint8Array<ArrayBuffer>) => [...new BigUint64Array(bytes.buffer)];
const bits = (...numbers: number[]) => numbers.reduce((mask, bit) => mask | 1n << BigInt(bit), 0n);
const upTo = (last: number) => (1n << BigInt(last + 1)) - 1n;

Deno.test("a ruleset handles exactly the rights of its version", () => {
  const handled = (abi: number) =>
    fields(rulesetAttribute(abi, { sockets: true, listening: true, errata: MENDED }));
  assert.deepEqual(handled(2), [upTo(13)]);
  assert.deepEqual(handled(3), [upTo(14)]);
  assert.deepEqual(handled(4), [upTo(14), 0b11n]);
  assert.deepEqual(handled(5), [upTo(15), 0b11n]);
  assert.deepEqual(handled(6), [upTo(15), 0b11n, 0b11n]);
  assert.deepEqual(handled(8), [upTo(15), 0b11n, 0b11n]);
  assert.deepEqual(handled(9), [upTo(16), 0b11n, 0b11n]);
  assert.deepEqual(handled(10), [upTo(16), 0b1111n, 0b11n]);
  assert.deepEqual(handled(99), handled(10));
});

Deno.test("a ruleset leaves sockets in the file system if names need one", () => {
  assert.equal(fields(rulesetAttribute(9, { sockets: false, listening: true, errata: MENDED }))[0], upTo(15));
});

Deno.test("a ruleset restricts signals only on a kernel with the fix", () => {
  const scoped = (errata: number) =>
    fields(rulesetAttribute(7, { sockets: true, listening: true, errata }))[2];
  assert.equal(scoped(0b010), 0b11n);
  assert.equal(scoped(0b101), 0b01n);
  assert.equal(scoped(0), 0b01n);
});

Deno.test("read access includes neither changes nor execution", () => {
  assert.equal(rightsOf("read", true, 10), bits(2, 3));
  assert.equal(rightsOf("read", false, 10), bits(2));
  for (const access of ["read", "write", "log", "remove"] as const) {
    for (const isDirectory of [true, false]) {
      const rights = rightsOf(access, isDirectory, 10);
      assert.equal(rights & bits(0, 6, 9, 10, 11, 15, 16), 0n, `${access} ${isDirectory}`);
    }
  }
});

Deno.test("write access includes WASI's operations, as the version allows", () => {
  assert.equal(rightsOf("write", true, 10), bits(1, 2, 3, 4, 5, 7, 8, 12, 13, 14));
  assert.equal(rightsOf("write", true, 2), bits(1, 2, 3, 4, 5, 7, 8, 12, 13));
  assert.equal(rightsOf("write", false, 10), bits(1, 2, 14));
  assert.equal(rightsOf("remove", true, 10), bits(4));
  assert.equal(rightsOf("remove", false, 10), 0n);
});

Deno.test("rights to ports are empty before their version", () => {
  assert.equal(portRight("connectTcp", 3), 0n);
  assert.equal(portRight("connectTcp", 4), 2n);
  assert.equal(portRight("sendUdp", 9), 0n);
  assert.equal(portRight("sendUdp", 10), 8n);
});

Deno.test("rules have the layout of the kernel's structures", () => {
  assert.deepEqual([...pathRule(0x0102n, 7)], [2, 1, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0]);
  assert.deepEqual(fields(portRule(2n, 6443)), [2n, 6443n]);
});
