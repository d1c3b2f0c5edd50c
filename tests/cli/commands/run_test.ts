import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { makeExiting, namesIn } from "../../support/store.ts";
import { Manager } from "../../support/manager.ts";

const main = fileURLToPath(new URL("../../../main.ts", import.meta.url));

Deno.test("the exit code is the plugin's, of a file and of an installed plugin", async () => {
  await using manager = new Manager();
  const file = manager.write("x.wasm", makeExiting(7));
  await manager.succeed("pull", await manager.push("acme/foo:v1", makeExiting(9)));
  // A run gives up the permissions of its process.
  const run = async (plugin: string) => {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "--allow-all", "--no-check", "--no-prompt", main, "run", plugin],
      env: { HOME: manager.home, KREW_WASM_ROOT: manager.layout.root },
      stdin: "null",
    }).output();
    assert.equal(new TextDecoder().decode(stderr), "");
    return code;
  };
  assert.deepEqual([await run(file), await run("foo")], [7, 9]);
  // The second run uses the compiled form of the first, but no changed one.
  const [cached = ""] = namesIn(manager.layout.cache);
  assert.equal(await run(file), 7);
  Deno.writeFileSync(`${manager.layout.cache}/${cached}/plugin.wasm`, makeExiting(8));
  assert.deepEqual([await run(file), await run(file)], [7, 7]);
  assert.deepEqual(namesIn(manager.layout.cache), [cached]);
  // Other bytes under the same name are another plugin.
  manager.write("x.wasm", makeExiting(11));
  assert.deepEqual([await run(file), await run(file)], [11, 11]);
});

Deno.test("exits with 125 if it cannot run a plugin", async () => {
  await using manager = new Manager();
  await manager.fail(125, "run", "nope");
  await manager.fail(125, "run", `${manager.home}/none.wasm`);
  await manager.fail(125, "run", manager.write("text.wasm", "text"));
  manager.write("policy.yaml", "rules: [\n");
  await manager.fail(125, "run", manager.write("x.wasm", makeExiting(7)));
});

Deno.test("exits with 2 on wrong usage", async () => {
  await using manager = new Manager();
  await manager.fail(2, "run");
  await manager.fail(2, "run", "Not A Name");
  await manager.fail(2, "run", "--allow-cluster=bogus!", "foo");
});
