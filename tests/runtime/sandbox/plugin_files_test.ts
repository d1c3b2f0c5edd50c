import assert from "node:assert/strict";
import { type FileGrant, type Grants, LEAST, NO_DENIALS } from "../../../runtime/grants/grants.ts";
import { pluginFiles, type PluginFilesContext } from "../../../runtime/sandbox/plugin_files.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

function setUp(grants: Partial<Grants> = {}, change: Partial<PluginFilesContext> = {}) {
  const base = temporaryDirectory();
  const [home, own, store, kubeconfig] = [
    `${base}/home`,
    `${base}/home/.krew-wasm/data/foo`,
    `${base}/home/.krew-wasm`,
    `${base}/home/.kube/config`,
  ];
  for (const path of [own, `${base}/home/.kube`, `${base}/work`]) Deno.mkdirSync(path, { recursive: true });
  Deno.writeTextFileSync(kubeconfig, "");
  const files = pluginFiles({
    plugin: "foo",
    grants: { ...LEAST, ...grants },
    variables: {},
    args: [],
    home,
    cwd: "/",
    own,
    store,
    kubeconfig: {
      paths: [kubeconfig],
      all: new Set([kubeconfig]),
      original: kubeconfig,
      shown: kubeconfig,
      readOnce: false,
    },
    overlays: [],
    asks: false,
    outside: undefined,
    requests: undefined,
    writable: () => Promise.reject(new Error("nothing is written")),
    trace() {},
    ...change,
  });
  return { base, home, own, store, kubeconfig, files };
}

const file = (host: string, write: boolean): FileGrant => ({
  host,
  guest: host,
  write,
  directory: false,
  real: host,
});

Deno.test("without grants a plugin sees its private directory and the kubeconfig", () => {
  const { files, own, home } = setUp();
  assert.deepEqual(files.mounts.map(({ host, write, only }) => ({ host, write, only })), [
    { host: own, write: true, only: undefined },
    { host: `${home}/.kube`, write: false, only: ["config"] },
  ]);
  assert.deepEqual(files.unprotectedPaths, [own]);
});

Deno.test("with an exact list of variables it sees no files of its environment", () => {
  assert.deepEqual(setUp({ env: ["LANG"] }).files.mounts, []);
});

Deno.test("protects the store, credentials and kubectl's preferences", () => {
  const { files, store, home } = setUp();
  for (const path of [store, `${home}/.kube/kuberc`]) assert.ok(files.protectedPaths.includes(path), path);
  const { files: named } = setUp({}, { variables: { KUBERC: "/srv/kuberc" } });
  assert.ok(named.protectedPaths.includes("/srv/kuberc"));
});

Deno.test("protects the targets of links in the store, once the plugin may change files", () => {
  const contents = (grants: Partial<Grants>, asks: boolean) => {
    const { files, store } = setUp(grants, { asks });
    return files.protectedPaths.includes(`${store}/receipts`);
  };
  assert.equal(contents({}, false), false, "it can change its private directory only");
  assert.equal(contents({}, true), true);
  assert.equal(contents({ home: true }, false), true);
});

Deno.test("a readable kubeconfig is protected, unless exactly this file is granted", () => {
  const { files, kubeconfig, base } = setUp({ kubeconfig: true });
  assert.ok(files.protectedPaths.includes(kubeconfig));
  Deno.writeTextFileSync(`${base}/work/config`, "");
  const path = `${base}/work/config`;
  const shared = {
    kubeconfig: { paths: [path], all: new Set([path]), original: path, shown: path, readOnce: false },
  };
  const write = setUp({ kubeconfig: true, files: [file(path, true)] }, shared);
  assert.equal(write.files.protectedPaths.includes(path), false);
  const read = setUp({ kubeconfig: true, files: [file(path, false)] }, shared);
  assert.ok(read.files.protectedPaths.includes(path));
});

Deno.test("denials hide paths, and the home directory on demand", () => {
  const { files } = setUp({ deny: { ...NO_DENIALS, read: ["/a"], write: ["/b"] } });
  assert.deepEqual([files.deniedPaths, files.deniedWrites], [["/a"], ["/b"]]);
  const hidden = setUp({ deny: { ...NO_DENIALS, home: true } });
  assert.deepEqual(hidden.files.deniedPaths, [hidden.home]);
});
