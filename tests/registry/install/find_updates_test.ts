import assert from "node:assert/strict";
import { RegistryClient } from "../../../registry/oci/registry_client.ts";
import { checkUpdate } from "../../../registry/install/find_updates.ts";
import type { Receipt } from "../../../runtime/store/receipt.ts";
import { type Oddities, oddRegistry } from "../../support/odd_registry.ts";

/** The update of a plugin that was installed by a tag, at a registry with an oddity. */
async function updateOf(odd: Oddities, tag: string, published = ["v1", "v1.2.3"], beyond = true) {
  await using registry = oddRegistry(odd);
  registry.pageSize = 1;
  for (const each of published) registry.putManifest("acme/foo", each, "{}");
  const client = new RegistryClient({
    credentials: () => Promise.resolve(undefined),
    sleep: () => Promise.resolve(),
  });
  const { digest } = await client.fetchAnyManifest({
    registry: registry.host,
    repository: "acme/foo",
    tag: published[0],
    digest: undefined,
  });
  const receipt = { reference: `${registry.host}/acme/foo:${tag}`, manifestDigest: digest } as Receipt;
  const update = await checkUpdate(client, receipt, beyond);
  return { update, lists: registry.requests.filter((line) => line.endsWith("/tags/list")).length };
}

const UNREADABLE: [Oddities, status: string, code: string][] = [
  [{ tagsStatus: 401 }, "refused", "REGISTRY_UNAUTHORIZED"],
  [{ tagsStatus: 403 }, "refused", "REGISTRY_FORBIDDEN"],
  [{ tagsStatus: 500 }, "unreachable", "REGISTRY_FAILED"],
  [{ secondPageStatus: 403 }, "refused", "REGISTRY_FORBIDDEN"],
  [{ link: "elsewhere" }, "refused", "REGISTRY_PROTOCOL"],
  [{ pages: "circle" }, "refused", "REGISTRY_PROTOCOL"],
];

Deno.test("does not report a track as current if its tags are unreadable", async () => {
  for (const [odd, status, code] of UNREADABLE) {
    const { update } = await updateOf(odd, "v1");
    assert.ok("error" in update, JSON.stringify(odd));
    assert.deepEqual([update.status, update.error.code], [status, code], JSON.stringify(odd));
  }
});

Deno.test("reports a version as current if its tags are unreadable", async () => {
  for (const [odd, , code] of UNREADABLE) {
    const { update } = await updateOf(odd, "v1.2.3");
    assert.deepEqual([update.status, update.unlisted?.code], ["current", code], JSON.stringify(odd));
    const { lists } = await updateOf(odd, "v1.2.3", undefined, false);
    assert.equal(lists, 0, "what follows no other tag does not ask for them");
  }
});

Deno.test("a tag stands for itself if the registry lists no tags", async () => {
  for (
    const [tagsStatus, code] of [[404, "NOT_FOUND"], [405, "UNSUPPORTED"], [501, "UNSUPPORTED"]] as const
  ) {
    const { update } = await updateOf({ tagsStatus }, "v1");
    assert.deepEqual([update.status, update.unlisted?.code], ["current", `REGISTRY_${code}`]);
  }
});

Deno.test("a missing tag reports whether the other tags are known", async () => {
  const refused = (await updateOf({ tagsStatus: 403 }, "v2")).update;
  assert.deepEqual([refused.status, refused.unlisted?.code], ["gone", "REGISTRY_FORBIDDEN"]);
  const { update } = await updateOf({}, "v2");
  assert.ok(update.status === "gone" && update.unlisted === undefined);
  assert.deepEqual(update.tags, ["v1", "v1.2.3"]);
});

Deno.test("finds a newer version behind empty and repeated pages", async () => {
  for (const pages of ["empty", "repeated"] as const) {
    const { update } = await updateOf({ pages }, "v1", ["v1", "v1.2.3"]);
    assert.deepEqual([update.status, update.unlisted], ["current", undefined]);
    const { update: newer } = await updateOf({ pages }, "v1.0.0", ["v1.0.0", "v1.2.3"]);
    assert.ok(newer.status === "current" && newer.newest === "v1.2.3", pages);
  }
});
