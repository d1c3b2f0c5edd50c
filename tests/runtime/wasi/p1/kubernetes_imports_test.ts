/** `krew_wasm_kubernetes` at its limits. tests/e2e/preview1_cluster_test.ts tests its use with programs. */

import assert from "node:assert/strict";
import { kubernetesImports } from "../../../../runtime/wasi/p1/kubernetes_imports.ts";
import type { Guest } from "../../../../runtime/wasi/p1/memory.ts";
import { Preview1 } from "../../../../runtime/wasi/p1/preview1.ts";
import { FakeCluster, testSandbox } from "../../../support/components.ts";

const EMFILE = 33;
const FLAG_NONBLOCK = 1;
const FLAG_BODY = 2;
const RESULT = 4096;

/** The functions with their own memory. */
function setUp(cluster: FakeCluster) {
  const bytes = new Uint8Array(8192);
  const view = new DataView(bytes.buffer);
  const guest: Guest = { bytes: () => bytes, view: () => view, exports: {} };
  const sandbox = testSandbox({ cluster });
  const { descriptors } = new Preview1(sandbox, guest, undefined, true, true);
  const functions = kubernetesImports(sandbox).functions(guest, descriptors);
  const text = new TextEncoder().encode("POST/x");
  bytes.set(text);
  return {
    descriptors,
    request: (flags: number) => functions.request!(0, 4, 4, 2, 0, 0, 0, 0, flags, RESULT),
    upload: (fd: number) => functions.upload!(fd, FLAG_NONBLOCK, RESULT),
    result: () => view.getUint32(RESULT, true),
  };
}

Deno.test("a body without a free descriptor is not sent as a complete one", async () => {
  const cluster = new FakeCluster(() => new Promise(() => {}));
  const { descriptors, request, upload, result } = setUp(cluster);
  assert.equal(request(FLAG_NONBLOCK | FLAG_BODY), 0);
  const fd = result();
  let last: unknown = 0;
  while (last === 0) last = request(FLAG_NONBLOCK);
  assert.equal(last, EMFILE);
  await new Promise((resolve) => setTimeout(resolve, 0));
  const sent = cluster.requests.length;
  assert.equal(upload(fd), EMFILE);
  let ended = false;
  const reader = (cluster.requests[0]!.body as ReadableStream<Uint8Array>).getReader();
  const read = reader.read().finally(() => ended = true);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(ended, false);
  // With a free descriptor it is opened, and ends when the program closes it.
  descriptors.close(fd + 1);
  assert.equal(upload(fd), 0);
  assert.equal(result(), fd + 1);
  descriptors.close(fd + 1);
  assert.deepEqual(await read, { done: true, value: undefined });
  // A request without a free descriptor was not sent.
  assert.equal(sent, cluster.requests.length);
  assert.equal(sent, 1024 - 3);
});
