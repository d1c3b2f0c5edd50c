import assert from "node:assert/strict";
import { backoff, Broken, retryAfter, RetryLater, withRetries } from "../../../registry/oci/retry.ts";
import { AppError } from "../../../runtime/base/errors.ts";

/** Runs an operation that fails with each of `errors` in turn and then is done. */
async function run(errors: readonly unknown[], progressed?: () => boolean) {
  const slept: number[] = [];
  const noticed: string[] = [];
  let tried = 0;
  const result = await withRetries(async () => {
    const error = errors[tried++];
    if (error !== undefined) throw error;
    return "done";
  }, {
    describe: (error) => error instanceof AppError ? error : new AppError("REGISTRY_UNREACHABLE", "It broke"),
    sleep: (milliseconds) => (slept.push(milliseconds), Promise.resolve()),
    notice: (line) => noticed.push(line),
    ...(progressed ? { progressed } : {}),
  }).catch((error: AppError) => error.code);
  return { result, tried, slept, noticed };
}

Deno.test("withRetries() retries only temporary failures", async () => {
  const broken = new Broken("cut");
  assert.deepEqual((await run([broken, new TypeError("connection closed")])).result, "done");
  assert.equal((await run([broken, broken, broken, broken])).result, "REGISTRY_UNREACHABLE");
  for (
    const final of [
      new AppError("REGISTRY_FORBIDDEN", "No"),
      new TypeError("error", { cause: new Error("invalid peer certificate: UnknownIssuer") }),
      new TypeError("dns error: failed to lookup address"),
      new TypeError("Connection refused (os error 111)"),
      new RetryLater("REGISTRY_RATE_LIMITED", "Slow down", 3_600_000),
    ]
  ) {
    assert.equal((await run([final])).tried, 1, String(final.message));
  }
});

Deno.test("withRetries() reports the pause and waits as long as the registry asks", async () => {
  const { slept, noticed } = await run([
    new RetryLater("REGISTRY_FAILED", "The registry failed (503)", 7000),
    new Broken("cut"),
  ]);
  assert.equal(slept[0], 7000);
  assert.equal(noticed[0], "The registry failed (503); trying again in 7 s");
  assert.equal(slept.length, 2);
});

Deno.test("withRetries() starts counting again after progress", async () => {
  const errors = Array.from({ length: 9 }, () => new Broken("cut"));
  assert.equal((await run(errors)).result, "REGISTRY_UNREACHABLE");
  assert.equal((await run(errors, () => true)).result, "done");
});

Deno.test("backoff() doubles, varies by half and ends at half a minute", () => {
  assert.equal(backoff(1, () => 1), 1000);
  assert.equal(backoff(1, () => 0), 500);
  assert.equal(backoff(3, () => 1), 4000);
  assert.equal(backoff(50, () => 1), 30_000);
});

Deno.test("retryAfter() reads seconds and dates", () => {
  const now = Date.parse("2026-01-01T00:00:00Z");
  assert.equal(retryAfter("7", now), 7000);
  assert.equal(retryAfter("Thu, 01 Jan 2026 00:00:10 GMT", now), 10_000);
  assert.equal(retryAfter("Thu, 01 Jan 2020 00:00:10 GMT", now), 0);
  assert.equal(retryAfter("soon", now), undefined);
  assert.equal(retryAfter(null, now), undefined);
});
