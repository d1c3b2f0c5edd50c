import assert from "node:assert/strict";
import { Manager } from "../../support/manager.ts";

Deno.test("lists the tags of a repository", async () => {
  await using manager = new Manager();
  for (const tag of ["v1", "v2"]) await manager.push(`acme/foo:${tag}`);
  const repository = `${manager.registry.host}/acme/foo`;
  assert.deepEqual((await manager.succeed("tags", repository)).trimEnd().split("\n").sort(), ["v1", "v2"]);
  const printed = await manager.json("tags", repository) as { tags: string[] };
  assert.deepEqual({ ...printed, tags: printed.tags.sort() }, { repository, tags: ["v1", "v2"] });
});

Deno.test("refuses an unknown repository, and a wrong command line", async () => {
  await using manager = new Manager();
  await manager.fail(1, "tags", `${manager.registry.host}/acme/none`);
  await manager.fail(2, "tags", "acme/UPPER");
  await manager.fail(2, "tags");
});
