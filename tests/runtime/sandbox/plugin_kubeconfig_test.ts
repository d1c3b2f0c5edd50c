import assert from "node:assert/strict";
import { kubeconfigOverlays, pluginKubeconfig } from "../../../runtime/sandbox/plugin_kubeconfig.ts";
import type { Overlay } from "../../../runtime/sandbox/types.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const OWN = "/kw/data/foo";

function setUp() {
  const home = temporaryDirectory();
  Deno.mkdirSync(`${home}/.kube`);
  const write = (name: string) => {
    Deno.writeTextFileSync(`${home}/${name}`, name);
    return `${home}/${name}`;
  };
  const kubeconfig = (variables: Record<string, string>, args: readonly string[] = []) =>
    pluginKubeconfig({ variables, args, home, cwd: home }, OWN);
  return { home, write, kubeconfig, usual: `${home}/.kube/config` };
}

async function shown(overlays: readonly Overlay[]): Promise<Record<string, string>> {
  const texts: Record<string, string> = {};
  for (const { host, content } of overlays) texts[host] = new TextDecoder().decode(await content());
  return texts;
}

const CONTENT = {
  redacted: () => new TextEncoder().encode("redacted"),
  real: (path: string) => `real ${path}`,
};

Deno.test("one redacted file replaces the list, and the others are empty", async () => {
  const { home, write, kubeconfig, usual } = setUp();
  write(".kube/config");
  const b = write("b");
  const found = kubeconfig({ KUBECONFIG: `${home}/a:${b}` });
  assert.deepEqual([found.original, found.shown, found.readOnce], [b, b, false]);
  assert.deepEqual(found.paths, [`${home}/a`, b]);
  assert.deepEqual(await shown(kubeconfigOverlays(found, false, CONTENT)), {
    [`${home}/a`]: "",
    [b]: "redacted",
    [usual]: "",
  });
});

Deno.test("a flag hides the kubeconfigs of runs without it, too", () => {
  const { home, write, kubeconfig, usual } = setUp();
  const [a, b] = [write("a"), write("b")];
  const { all, original } = kubeconfig({ KUBECONFIG: a }, ["--kubeconfig", b]);
  assert.equal(original, b);
  assert.deepEqual([...all].sort(), [usual, a, b].sort());
  assert.ok([...kubeconfig({ KUBECONFIG: `${home}/x/../a` }).all].includes(`${home}/x/../a`), "as written");
});

Deno.test("shows nothing if no kubeconfig exists, and hides the usual path", async () => {
  const { kubeconfig, usual } = setUp();
  const found = kubeconfig({});
  assert.deepEqual([found.original, found.shown, found.readOnce], [undefined, undefined, false]);
  assert.deepEqual(await shown(kubeconfigOverlays(found, false, CONTENT)), { [usual]: "" });
});

Deno.test("a kubeconfig that can be read once shows in the private directory", async () => {
  const { kubeconfig } = setUp();
  const found = kubeconfig({ KUBECONFIG: "/dev/stdin" });
  if (Deno.build.os === "windows") return;
  assert.deepEqual([found.original, found.shown, found.readOnce], [
    "/dev/stdin",
    `${OWN}/kubeconfig`,
    true,
  ]);
  assert.equal((await shown(kubeconfigOverlays(found, false, CONTENT)))[`${OWN}/kubeconfig`], "redacted");
  assert.deepEqual(await shown(kubeconfigOverlays(found, true, CONTENT)), {
    [`${OWN}/kubeconfig`]: "real /dev/stdin",
  });
});

Deno.test("a plugin with the real kubeconfig gets no other content", () => {
  const { write, kubeconfig } = setUp();
  write(".kube/config");
  assert.deepEqual(kubeconfigOverlays(kubeconfig({}), true, CONTENT), []);
});
