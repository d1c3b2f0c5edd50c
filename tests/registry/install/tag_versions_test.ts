import assert from "node:assert/strict";
import {
  compareVersions,
  newestOnTrack,
  newestVersion,
  trackKind,
} from "../../../registry/install/tag_versions.ts";

Deno.test("trackKind() distinguishes a track, a version and a moving tag", () => {
  for (const tag of ["v1", "1", "v1.2", "0.3"]) assert.equal(trackKind(tag), "track", tag);
  for (const tag of ["v1.2.3", "1.2.3", "v1.2.3-rc.1"]) assert.equal(trackKind(tag), "version", tag);
  for (const tag of ["latest", "main", "v1.2.3.4", "v1-alpine", "1.x", "v", ""]) {
    assert.equal(trackKind(tag), "moving", tag);
  }
});

Deno.test("newestOnTrack() stays on the track and ignores pre-releases", () => {
  const tags = [
    "latest",
    "v1",
    "v1.2.0",
    "v1.10.1",
    "v1.9.9",
    "v2.0.0",
    "v1.11.0-rc.1",
    "v1.2.10",
    "sha256-ab.sig",
  ];
  assert.equal(newestOnTrack("v1", tags), "v1.10.1");
  assert.equal(newestOnTrack("v1.2", tags), "v1.2.10");
  assert.equal(newestOnTrack("v2", tags), "v2.0.0");
  assert.equal(newestOnTrack("v3", tags), undefined);
  assert.equal(newestVersion(tags), "v2.0.0");
  assert.equal(newestVersion([]), undefined);
});

Deno.test("compareVersions() orders like SemVer 2.0.0", () => {
  const ordered = [
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "v1.0.0",
    "1.2.0",
    "v1.10.0",
    "2.0.0",
  ];
  for (const [index, a] of ordered.entries()) {
    for (const [other, b] of ordered.entries()) {
      assert.equal(Math.sign(compareVersions(a, b)), Math.sign(index - other), `${a} and ${b}`);
    }
  }
  assert.ok(Number.isNaN(compareVersions("v1", "1.0.0")));
});
