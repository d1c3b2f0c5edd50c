/** Policy rules and sources in every spelling. */

import assert from "node:assert/strict";
import { parseReference } from "../../../runtime/base/reference.ts";
import {
  canonicalPattern,
  parsePattern,
  parseRegistryName,
  type Subject,
  subjectOf,
} from "../../../runtime/policy/reference_pattern.ts";
import { fc, fuzz } from "../../support/fuzz.ts";
import { hostAndSpelling } from "../../support/spellings.ts";

const at = (text: string): Subject => {
  if (text.startsWith("file://")) return { kind: "file", path: text.slice("file://".length) };
  if (!text.startsWith("bundle://")) return subjectOf(parseReference(text));
  return { kind: "bundle", reference: parseReference(text.slice("bundle://".length)) };
};
const matches = (pattern: string, text: string) => parsePattern(pattern).matches(at(text));
const sha = `@sha256:${"0".repeat(64)}`;

Deno.test("a pattern matches repositories with any tag or digest", () => {
  for (
    const [pattern, ...references] of [
      ["ghcr.io/acme/**", "ghcr.io/acme/plugins/decoder:v1", "ghcr.io/acme/x"],
      ["ghcr.io/acme/*", `ghcr.io/acme/decoder${sha}`],
      ["ghcr.io/acme/decoder", `ghcr.io/acme/decoder:v1${sha}`],
      ["127.0.0.1:5000/*", "127.0.0.1:5000/x"],
      ["*.acme.example/**", "r.acme.example/x", "r.acme.example:443/x", "a.b.acme.example/x/y"],
      ["*/acme/*", "ghcr.io/acme/x", "localhost:5000/acme/x"],
      ["**/kubectl-*", "ghcr.io/a/b/kubectl-x", "bundle://ghcr.io/a/kubectl-x"],
      ["**", "ghcr.io/any/thing:x", "file:///home/jane/x:y.wasm", "bundle://ghcr.io/a"],
      ["file://**", "file:///home/jane/x:y.wasm"],
      ["file:///home/*/x.wasm", "file:///home/jane/x.wasm"],
      ["bundle://**", "bundle://ghcr.io/acme/x:v1"],
      ["bundle://ghcr.io:443/acme/*", "bundle://GHCR.io/acme/x:v1"],
    ] as const
  ) for (const each of references) assert.ok(matches(pattern!, each), `${pattern} ${each}`);
  for (
    const [pattern, ...references] of [
      ["ghcr.io/acme/*", "ghcr.io/acme/plugins/decoder:v1"],
      ["ghcr.io/acme/**", "ghcr.io/acme-evil/x:v1", "evil.io/ghcr.io/acme/x", "bundle://ghcr.io/acme/x"],
      ["ghcr.io/acme", "ghcr.io/acme/x"],
      ["ghcr.io/acme/x", "ghcrxio.io/acme/x", "ghcr.io:5000/acme/x"],
      ["*.acme.example/**", "acme.example/x", "r.acme.example.evil.io/x", "acme.example.io/r.acme.example/x"],
      ["file://**", "ghcr.io/x", "bundle://ghcr.io/x"],
      // A registry may have this name.
      ["file://**", "file:5000/x"],
    ] as const
  ) for (const each of references) assert.ok(!matches(pattern!, each), `${pattern} ${each}`);
});

Deno.test("a pattern matches every spelling of its host", () => {
  for (
    const [pattern, ...references] of [
      ["localhost/**", "localhost:80/a", "localhost:080/a", "LOCALHOST/a", "localhost./a", "localhost:443/a"],
      ["LocalHost:080/**", "localhost/a", "localhost:443/a"],
      [
        "docker.io/**",
        "a",
        "docker.io:443/a",
        "registry-1.docker.io/a/b",
        "index.docker.io:0443/a",
        "docker.io:80/a",
      ],
      ["registry-1.docker.io/a", "a", "library/a", "docker.io/library/a:v1", "registry.hub.docker.com/a"],
      ["docker.io/*", "a", "docker.io/library/a"],
      ["docker.io/a*", "docker.io/library/ab"],
      ["index.docker.io:443/library/a", "a"],
      ["*.docker.io/**", "a"],
      ["registry-*.docker.io/**", "a"],
      ["*:443/**", "ghcr.io/x", "ghcr.io:443/x", "localhost/x", "registry:443/x"],
      ["localhost:*/**", "localhost/x", "localhost:80/x", "localhost:5000/x"],
      ["*.Example.:0443/**", "r.example/x"],
      ["registry:443/**", "Registry/x", "registry:80/x"],
      ["ghcr.io/**", "ghcr.io:80/x", "ghcr.io:443/x", "GHCR.IO./x"],
      ["ghcr.io:80/**", "ghcr.io/x"],
      ["0177.0.0.1:5000/**", "127.0.0.1:5000/x", "2130706433:5000/x"],
      ["[0:0::1]:05000/**", "[::1]:5000/x"],
      ["bücher.example/**", "xn--bcher-kva.example/x"],
      ["BÜCHER.example:443/**", "xn--bcher-kva.example/x"],
    ] as const
  ) for (const each of references) assert.ok(matches(pattern!, each), `${pattern} ${each}`);
});

Deno.test("the decision does not depend on the spelling", () =>
  fuzz(
    "patterns",
    fc.property(hostAndSpelling(), hostAndSpelling(), (one, other) => {
      const decision = matches(`${one.host}/**`, `${other.host}/acme/x`);
      for (const pattern of [one.host, one.spelling]) {
        // The first part of a rule is a host. Without a dot it needs a port.
        if (!/[.:[]|^localhost$/i.test(pattern)) continue;
        for (const reference of [other.host, other.spelling]) {
          assert.equal(matches(`${pattern}/**`, `${reference}/acme/x`), decision, `${pattern} ${reference}`);
          const named = parseRegistryName(pattern) === parseRegistryName(reference);
          assert.equal(named, decision, `registries: ${pattern} ${reference}`);
        }
      }
    }),
  ));

Deno.test("parsePattern() refuses a pattern that cannot match, with the reason", () => {
  for (
    const [pattern, why] of [
      ["*", /names no repository/],
      ["ghcr.io", /names no repository; all of a registry is ghcr\.io\/\*\*/],
      ["ghcr.io/", /slash too many/],
      ["ghcr.io//x", /slash too many/],
      ["ghcr.io/x/", /slash too many/],
      ["/x", /not a registry's host/],
      ["acme/x", /names no registry; a repository of Docker Hub is docker\.io\/acme\/x/],
      ["acme/**", /docker\.io\/acme\/\*\*/],
      ["ghcr.io/acme/x:v1", /tag and digest don't count/],
      [`ghcr.io/acme/x${sha}`, /tag and digest don't count/],
      ["**:v1", /tag and digest don't count/],
      ["ghcr.io/Acme/**", /lower-case/],
      ["**/Acme", /lower-case/],
      ["ghcr.io/a b", /not a part of a repository/],
      ["ghcr.io/-a", /not a part of a repository/],
      ["ghcr.io/a%2fb", /not a part of a repository/],
      ["ghcr.io/../x", /not a part of a repository/],
      ["ghcr.io/é/*", /not a part of a repository/],
      ["ghcr%2eio/**", /names no registry/],
      ["r.ghcr%2eio/**", /not a registry's host/],
      ["ghcr.io:99999/**", /not a registry's host/],
      ["1.2.3.4.5/**", /not a registry's host/],
      ["*.b ücher/**", /nor a pattern of one/],
      ["https://ghcr.io/**", /no scheme but file:\/\/ and bundle:\/\//],
      ["FILE:///x", /no scheme/],
      ["file://home/x", /absolute path/],
      ["file:///home//x", /without \/\//],
      ["file:///home/../x", /without/],
      ["file:///home/", /slash at the end/],
      ["file:/x", /not a registry's host/],
      ["bundle://", /names no repository/],
      ["bundle://acme/x", /names no registry/],
    ] as const
  ) {
    assert.throws(
      () => parsePattern(pattern),
      (error: Error) => error.message.startsWith(`"${pattern}" can never match: `) && why.test(error.message),
      pattern,
    );
  }
});

Deno.test("canonicalPattern() returns a canonical pattern", () =>
  fuzz(
    "canonical patterns",
    fc.property(
      hostAndSpelling(),
      fc.constantFrom("**", "*", "acme/x", "acme/*", "a*"),
      ({ spelling }, path) => {
        let pattern: string;
        try {
          pattern = canonicalPattern(`${spelling}/${path}`);
        } catch {
          return; // a name without a dot
        }
        assert.equal(canonicalPattern(pattern.replace(/^registry\//, "registry:443/")), pattern);
      },
    ),
  ));
