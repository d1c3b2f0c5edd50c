/** All spellings of a reference from users, lock files and registries have one form. */

import assert from "node:assert/strict";
import {
  canonicalHost,
  DOCKER_HUB_NAMES,
  formatReference,
  hostSpellings,
  parseReference,
  parseRegistry,
} from "../../../runtime/base/reference.ts";
import { fc, fuzz } from "../../support/fuzz.ts";
import { hostAndSpelling } from "../../support/spellings.ts";

Deno.test("parseReference() gives all spellings of a reference one form", () => {
  for (
    const [canonical, ...spellings] of [
      [
        "localhost/a/b:v1",
        "localhost:80/a/b:v1",
        "localhost:080/a/b:v1",
        "LOCALHOST/a/b:v1",
        "localhost./a/b:v1",
      ],
      ["localhost:443/a:v1", "LocalHost:0443/a:v1", "localhost.:443/a:v1"],
      ["ghcr.io/a:v1", "ghcr.io:443/a:v1", "GHCR.io:00443/a:v1", "ghcr.io./a:v1", "ghcr.io.:443/a:v1"],
      ["ghcr.io:80/a:v1", "ghcr.io:080/a:v1"],
      [
        "docker.io/library/a:latest",
        ..."a library/a docker.io/a index.docker.io/a registry-1.docker.io/library/a".split(" "),
        ..."registry.hub.docker.com/a Docker.IO:443/a registry-1.docker.io.:0443/a docker.io./library/a"
          .split(" "),
      ],
      ["127.0.0.1:5000/a:v1", "0177.0.0.1:5000/a:v1", "2130706433:5000/a:v1", "127.1:05000/a:v1"],
      [
        "127.0.0.1:5000/a:v1",
        "0x7f.0.0.1:5000/a:v1",
        "[::ffff:127.0.0.1]:5000/a:v1",
        "[::FFFF:7f00:1]:5000/a:v1",
      ],
      ["127.0.0.1/a:v1", "127.0.0.1:80/a:v1", "[::ffff:7f00:1]:80/a:v1", "127.0.0.1./a:v1"],
      ["[::1]:5000/a:v1", "[0:0:0:0:0:0:0:1]:5000/a:v1", "[0::0001]:05000/a:v1"],
      ["[2001:db8::a]/a:v1", "[2001:DB8:0::A]:443/a:v1"],
      ["xn--bcher-kva.example/a:v1", "XN--BCHER-KVA.example:443/a:v1"],
      // Only its port separates a name without a dot from a repository.
      ["registry:443/a:v1", "Registry/a:v1", "registry./a:v1", "REGISTRY:0443/a:v1"],
      ["registry:80/a:v1", "REGISTRY:080/a:v1", "registry.:80/a:v1"],
    ] as const
  ) {
    for (const spelling of [canonical, ...spellings]) {
      assert.equal(formatReference(parseReference(spelling!)), canonical, spelling);
    }
  }
});

Deno.test("parseReference() refuses hosts that only look like one", () => {
  for (
    const host of [
      ..."ghcr.io.. .ghcr.io ghcr..io ghcr.io:0 ghcr.io:65536 ghcr.io: ghcr%2eio 256.1.1.1 1.2.3.4.5 [::1 [::1]x"
        .split(" "),
      ..."[fe80::1%25eth0] xn--ghcr-.io xn--ghcr.io file: file:// a_b.example me@ghcr.io ghcr.io\\x bücher.example"
        .split(" "),
    ]
  ) {
    assert.equal(canonicalHost(host), undefined, host);
    assert.throws(() => parseReference(`${host}/acme/x:v1`), { code: "REFERENCE_INVALID" }, host);
    assert.throws(() => parseRegistry(host), { code: "REFERENCE_INVALID" }, host);
  }
});

Deno.test("formatting and parsing a reference again changes nothing", () =>
  fuzz(
    "references",
    fc.property(hostAndSpelling(), ({ host, spelling }) => {
      const canonical = formatReference(parseReference(`${host}/acme/x:v1`));
      assert.equal(formatReference(parseReference(canonical)), canonical);
      assert.equal(formatReference(parseReference(`${spelling}/acme/x:v1`)), canonical, spelling);
    }),
  ));

Deno.test("hostSpellings() lists the spellings of a canonical host, its own first", () => {
  for (
    const host of [
      "ghcr.io",
      "ghcr.io:80",
      "docker.io",
      "localhost",
      "127.0.0.1:5000",
      "[::1]",
      "registry:443",
    ]
  ) {
    const spellings = hostSpellings(host);
    assert.equal(spellings[0], host);
    for (const spelling of spellings) {
      assert.equal(canonicalHost(spelling) ?? `${spelling}:443`, host, spelling);
    }
  }
  assert.ok(DOCKER_HUB_NAMES.every((name) => hostSpellings("docker.io").includes(name)));
});
