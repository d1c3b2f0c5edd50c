/** The memory that the host holds for requests without an answer. */

import assert from "node:assert/strict";
import { HeldRequests } from "../../../../runtime/wasi/p1/held_requests.ts";
import { errnoOf } from "../../../support/file_trees.ts";

/** More than half of the memory that a plugin's requests may take. */
const LARGE = 40 << 20;

/** A held request, and the means to answer it or to give it up. */
function held(requests: HeldRequests, size: number) {
  const answer = Promise.withResolvers<string>();
  const abort = new AbortController();
  const done = requests.hold(size, abort.signal, answer.promise);
  return { ...answer, abort, done };
}

Deno.test("a request starts at once while there is memory", () => {
  let started = 0;
  assert.equal(new HeldRequests().whenItFits(1, () => void started++), undefined);
  assert.equal(started, 1);
});

Deno.test("a request fails if the plugin's open requests take the memory", async () => {
  const requests = new HeldRequests();
  const first = held(requests, LARGE);
  assert.equal(errnoOf(() => requests.whenItFits(LARGE, () => {})), "insufficient-memory");
  first.resolve("answer");
  assert.equal(await first.done, "answer");
  assert.equal(errnoOf(() => requests.whenItFits(LARGE, () => {})), "ok");
});

Deno.test("a request waits for the end of those that the plugin gave up", async () => {
  const requests = new HeldRequests();
  const first = held(requests, LARGE);
  first.abort.abort();
  let started = false;
  const waiting = requests.whenItFits(LARGE, () => void (started = true));
  assert.ok(waiting instanceof Promise);
  await Promise.resolve();
  assert.equal(started, false);
  first.reject(new Error("aborted"));
  await first.done.catch(() => {});
  await waiting;
  assert.equal(started, true);
});

Deno.test("a failed request releases its memory, and its failure is passed on", async () => {
  const requests = new HeldRequests();
  const first = held(requests, LARGE);
  first.reject(new Error("unreachable"));
  await assert.rejects(first.done, /unreachable/);
  assert.equal(errnoOf(() => requests.whenItFits(LARGE, () => {})), "ok");
});
