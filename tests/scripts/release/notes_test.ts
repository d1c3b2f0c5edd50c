import assert from "node:assert/strict";
import { releaseNotes } from "../../../scripts/release/notes.ts";

const CHANGELOG = `# Changes

## Unreleased

- later

## [1.1.0] - 2027-01-02

- new

## 1.0.0

- old
`;

Deno.test("the notes of a release are the section of its version", () => {
  assert.equal(releaseNotes(CHANGELOG, "v1.1.0", "1.1.0"), "- new\n");
  assert.equal(releaseNotes(CHANGELOG, "v1.0.0", "1.0.0"), "- old\n");
});

Deno.test("a release candidate has the notes of its version", () => {
  assert.equal(releaseNotes(CHANGELOG, "v1.1.0-rc.1", "1.1.0-rc.1"), "- new\n");
});

Deno.test("a tag of another version than the sources is an error", () => {
  assert.throws(() => releaseNotes(CHANGELOG, "v1.1.0", "1.0.0"), /the tag v1.1.0 is not v1.0.0/);
});

Deno.test("a version without notes is an error", () => {
  assert.throws(() => releaseNotes(CHANGELOG, "v2.0.0", "2.0.0"), /no section "## 2.0.0"/);
});
