import assert from "node:assert/strict";
import { Manager } from "../../support/manager.ts";

/** The commands read docker's settings of this process's user: put others there. */
async function withDockerConfig(test: (manager: Manager, path: string) => Promise<void>): Promise<void> {
  await using manager = new Manager();
  const names = ["DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"];
  const before = names.map((name) => [name, Deno.env.get(name)] as const);
  for (const name of names) Deno.env.delete(name);
  Deno.env.set("DOCKER_CONFIG", manager.home);
  try {
    await test(manager, `${manager.home}/config.json`);
  } finally {
    for (const [name, value] of before) {
      value === undefined ? Deno.env.delete(name) : Deno.env.set(name, value);
    }
  }
}

Deno.test("removes the credentials of one registry from docker's settings", async () => {
  await withDockerConfig(async (manager, path) => {
    const auth = { auth: btoa("jane:secret") };
    Deno.writeTextFileSync(
      path,
      JSON.stringify({ auths: { "ghcr.io": auth, "quay.io": auth }, currentContext: "x" }),
    );
    await manager.succeed("logout", "ghcr.io");
    assert.deepEqual(JSON.parse(Deno.readTextFileSync(path)), {
      auths: { "quay.io": auth },
      currentContext: "x",
    });
    await manager.fail(1, "logout", "ghcr.io");
  });
});

Deno.test("refuses a URL in a registry's place", async () => {
  await withDockerConfig(async (manager) => {
    await manager.fail(2, "logout", "https://ghcr.io/acme");
    await manager.fail(2, "logout", "ghcr.io", "quay.io");
  });
});
