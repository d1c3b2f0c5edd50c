import assert from "node:assert/strict";
import { connectionFailure } from "../../registry/failure.ts";

const TASK = { failed: 'Cannot pull "ghcr.io/acme/foo:v1"', registry: "ghcr.io" };

Deno.test("why a registry can't be reached is told in words, with the way out where there is one", () => {
  const cases: [thrown: string, why: RegExp, hint: RegExp | undefined][] = [
    ["tcp connect error: Connection refused (os error 111)", /ghcr\.io refused the connection$/, undefined],
    ["dns error: failed to lookup address", /the name ghcr\.io can't be resolved$/, /bundle load/],
    ["tcp connect error: Network is unreachable (os error 101)", /reached from this network$/, /bundle load/],
    ["tcp connect error: No route to host (os error 113)", /reached from this network$/, /bundle load/],
    [
      "invalid peer certificate: UnknownIssuer",
      /certificate of ghcr\.io is not trusted$/,
      /registries\.yaml/,
    ],
    ["received corrupt message of type InvalidContentType", /does not speak HTTPS$/, /--plain-http/],
  ];
  for (const [thrown, why, hint] of cases) {
    const failure = connectionFailure(
      TASK,
      new TypeError("error sending request", { cause: new Error(thrown) }),
    );
    assert.equal(failure.code, "REGISTRY_UNREACHABLE", thrown);
    assert.match(failure.message, why, thrown);
    assert.doesNotMatch(failure.message, /os error/, thrown);
    if (hint === undefined) assert.equal(failure.hint, undefined, thrown);
    else assert.match(failure.hint ?? "", hint, thrown);
  }
  const push = { ...TASK, failed: 'Cannot push "ghcr.io/acme/foo:v1"' };
  assert.doesNotMatch(connectionFailure(push, new Error("dns error")).hint ?? "", /bundle/);
});
