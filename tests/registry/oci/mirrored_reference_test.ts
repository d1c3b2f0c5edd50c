import assert from "node:assert/strict";
import {
  formatReference,
  isLoopback,
  parseReference,
  registryOrigin,
} from "../../../registry/oci/mirrored_reference.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;

Deno.test("parseReference() reads tag and digest and fills in defaults", () => {
  const cases: [text: string, whole: string][] = [
    ["ghcr.io/acme/plugins/decoder:v1", "ghcr.io/acme/plugins/decoder:v1"],
    ["ghcr.io/acme/decoder", "ghcr.io/acme/decoder:latest"],
    [`ghcr.io/acme/decoder@${DIGEST}`, `ghcr.io/acme/decoder@${DIGEST}`],
    [`ghcr.io/acme/decoder:v1@${DIGEST}`, `ghcr.io/acme/decoder:v1@${DIGEST}`],
    ["decoder", "docker.io/library/decoder:latest"],
    ["acme/decoder:1", "docker.io/acme/decoder:1"],
    ["docker.io/decoder", "docker.io/library/decoder:latest"],
    ["index.docker.io/acme/x", "docker.io/acme/x:latest"],
    ["localhost/x", "localhost/x:latest"],
    ["localhost:5000/x:y", "localhost:5000/x:y"],
    ["127.0.0.1:5000/a/b:v1", "127.0.0.1:5000/a/b:v1"],
    ["[::1]:5000/a:v1", "[::1]:5000/a:v1"],
    ["Registry.Example/a", "registry.example/a:latest"],
    ["a.b/c__d/e-f.g:T_1.x-y", "a.b/c__d/e-f.g:T_1.x-y"],
  ];
  for (const [text, whole] of cases) assert.equal(formatReference(parseReference(text)), whole, text);
});

Deno.test("parseReference() refuses an invalid reference", () => {
  for (
    const text of [
      "",
      ":",
      "a:",
      "a:b:c",
      "a@",
      `a@sha512:${"a".repeat(128)}`,
      `a@${DIGEST.toUpperCase()}`,
      "a@sha256:abc",
      `a@${DIGEST}@${DIGEST}`,
      "a/B",
      "a//b",
      "/a",
      "a/",
      "a b",
      "../a",
      "a/../b",
      "a/.b",
      "https://ghcr.io/a/b",
      "oci://a/b",
      "ghcr.io/",
      "ghcr.io/:v1",
      "host:99999/a",
      "host:x/a",
      "-a.b/c",
      "a:-tag",
      `a:${"x".repeat(129)}`,
      "a\n",
      "a\u202eb",
      "é/a",
      `a.b/${"x".repeat(256)}`,
      "a___b",
    ]
  ) assert.throws(() => parseReference(text), { code: "REFERENCE_INVALID" }, JSON.stringify(text));
});

Deno.test("registryOrigin() uses plain HTTP only on this machine or when asked to", () => {
  for (const host of ["localhost", "localhost:5000", "127.0.0.1:1", "127.9.9.9", "[::1]:5000"]) {
    assert.ok(isLoopback(host), host);
    assert.equal(registryOrigin(host, false), `http://${host}`);
  }
  for (
    const host of ["localhost.example", "127.example:5000", "ghcr.io", "128.0.0.1", "[::2]", "10.0.0.1:5000"]
  ) {
    assert.ok(!isLoopback(host), host);
    assert.equal(registryOrigin(host, false), `https://${host}`);
    assert.equal(registryOrigin(host, true), `http://${host}`);
  }
  assert.equal(registryOrigin("docker.io", false), "https://registry-1.docker.io");
});
