import { Manager } from "../../support/manager.ts";

Deno.test("refuses to read a password from where others see it", async () => {
  await using manager = new Manager();
  const { isTerminal } = Deno.stdin;
  Object.assign(Deno.stdin, { isTerminal: () => false });
  try {
    await manager.fail(2, "login", manager.registry.host, "-u", "jane");
    await manager.fail(2, "login", manager.registry.host, "-u", "jane", "-p", "secret");
  } finally {
    Object.assign(Deno.stdin, { isTerminal });
  }
});

Deno.test("refuses a user name that basic authentication cannot carry, and no name", async () => {
  await using manager = new Manager();
  await manager.fail(2, "login", manager.registry.host, "--password-stdin");
  await manager.fail(2, "login", manager.registry.host, "-u", "a:b", "--password-stdin");
  await manager.fail(2, "login", manager.registry.host, "-u", "", "--password-stdin");
});

Deno.test("refuses a path in a registry's place", async () => {
  await using manager = new Manager();
  await manager.fail(2, "login", "https://ghcr.io/acme", "-u", "jane", "--password-stdin");
});
