/** Grants for their users: refused and reported, asked for at a terminal, given and removed. */

import assert from "node:assert/strict";
import { buildFixture } from "../../scripts/fixtures.ts";
import { TestApiServer } from "../../scripts/servers/api_server.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { clangMissing, Product } from "../support/product.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";
import { makeExiting } from "../support/store.ts";
import { atTerminal, terminalMissing } from "../support/terminal.ts";
import { testBinary } from "../support/test_binary.ts";

/** A plugin of 2022 that sends one request, installed with `flags`. */
async function setUp(...flags: string[]) {
  const api = await TestApiServer.start();
  const product = Product.make();
  await using registry = TestRegistry.start();
  await push(
    registry.origin,
    "plugins/ask",
    "v1",
    makeArtifact(await Deno.readFile(await buildFixture("outbound"))),
  );
  const { code, stderr } = await product.run("pull", `${registry.host}/plugins/ask:v1`, ...flags);
  assert.equal(code, 0, stderr);
  Deno.mkdirSync(`${product.home}/.kube`);
  Deno.writeTextFileSync(`${product.home}/.kube/config`, api.kubeconfig());
  return {
    api,
    product,
    /** `kubectl-ask` sends DELETE to a Pod. */
    remove: `kubectl-ask ${api.server}/api/v1/namespaces/demo/pods/web delete`,
    receipt: () => JSON.parse(Deno.readTextFileSync(`${product.store}/receipts/ask.json`)),
    async [Symbol.asyncDispose]() {
      product[Symbol.dispose]();
      await api[Symbol.asyncDispose]();
    },
  };
}

const asks = "  namespace  demo\r\n  verb       delete\r\n  resource   pods\r\n  name       web\r\n";

Deno.test(
  "without a terminal a request is refused, and a hint names the grant",
  {
    ignore: clangMissing(),
  },
  async () => {
    await using it = await setUp("--allow-cluster=read-only");
    const { product, api } = it;
    const before = api.seen.length;
    const refused = await product.shell(it.remove);
    assert.match(refused.stdout, /403/);
    assert.match(refused.stdout, /"reason":"Forbidden"/);
    assert.equal(
      refused.stderr,
      `krew-wasm: ask was not allowed to delete pods "web" in the namespace "demo"; to allow it: krew-wasm grants ask '--allow-cluster=delete:pods[web]@demo'\n`,
    );
    assert.equal(api.seen.length, before, "nothing has left");
  },
);

Deno.test("krew-wasm asks for a missing grant at a terminal and respects a no", {
  ignore: clangMissing() || terminalMissing(),
}, async () => {
  await using it = await setUp("--allow-cluster=read-only");
  const { product, api } = it;
  const before = api.seen.length;
  const no = await atTerminal(product, it.remove, [["[n]o", "n\r"]]);
  assert.ok(no.text.includes(asks), no.text);
  assert.match(no.text, /403/);
  assert.equal(api.seen.length, before);
  const once = await atTerminal(product, it.remove, [["[n]o", "o\r"]]);
  assert.ok(once.text.includes(asks));
  assert.equal(api.seen.length, before + 1);
  assert.equal(it.receipt().grants.cluster, "read-only", "once is not for good");
});

Deno.test("keys typed before the question, or by the plugin, are no answer", {
  ignore: clangMissing() || terminalMissing(),
}, async () => {
  await using it = await setUp("--allow-cluster=none");
  const { product, api } = it;
  const before = api.seen.length;
  const ahead = await atTerminal(product, `sleep 0.3; ${it.remove}`, [["[n]o", "\r"]]);
  assert.ok(ahead.text.includes(asks), ahead.text);
  // Typed before the question: the plugin starts when all keys can be read.
  const pending = "import fcntl, struct, termios, time\n" +
    "while struct.unpack('i', fcntl.ioctl(0, termios.FIONREAD, bytes(4)))[0] < 4: time.sleep(0.01)";
  const typed = await atTerminal(product, `echo go; python3 -c "${pending}"; ${it.remove}`, [
    ["go", "a\ro\r"],
    ["[n]o", "\r"],
  ]);
  assert.ok(typed.text.includes(asks), typed.text);
  assert.equal(api.seen.length, before);
  assert.equal(it.receipt().grants.cluster, "none");
  // The answer does not come from the plugin's stdin, and the question does not go to its stdout.
  const piped = await atTerminal(product, `echo a | ${it.remove} >out`, [["[n]o", "n\r"]]);
  assert.ok(piped.text.includes(asks), piped.text);
  assert.doesNotMatch(Deno.readTextFileSync(`${product.home}/out`), /a plugin asks/);
});

Deno.test("always stores the grant, and krew-wasm does not ask again", {
  ignore: clangMissing() || terminalMissing(),
}, async () => {
  await using it = await setUp("--allow-cluster=read-only");
  const { product, api } = it;
  const before = api.seen.length;
  const always = await atTerminal(product, it.remove, [["[n]o", "always\r"]]);
  assert.ok(always.text.includes(asks), always.text);
  assert.doesNotMatch(always.text, /error:/);
  assert.deepEqual(it.receipt().grants.cluster, {
    rules: [{
      verbs: ["delete"],
      apiGroups: [""],
      resources: ["pods"],
      resourceNames: ["web"],
      namespaces: ["demo"],
      nonResourceURLs: null,
    }],
    readOnly: true,
  });
  const again = await atTerminal(product, it.remove, []);
  assert.doesNotMatch(again.text, /a plugin asks/);
  assert.equal((await product.shell(it.remove)).stderr, "");
  assert.equal(api.seen.length, before + 3);
});

Deno.test("Ctrl-C at a question ends the run; --no-prompt asks no question", {
  ignore: clangMissing() || terminalMissing(),
}, async () => {
  await using it = await setUp("--allow-cluster=none");
  const { product } = it;
  assert.equal(
    (await atTerminal(product, `${it.remove}; echo "code $?"`, [["[n]o", "\x03"]])).text.includes("code 130"),
    true,
  );
  const quiet = await atTerminal(product, it.remove, [], { KREW_WASM_NO_PROMPT: "1" });
  assert.doesNotMatch(quiet.text, /a plugin asks/);
  assert.match(quiet.text, /to allow it: krew-wasm grants ask '--allow-cluster=delete:pods\[web\]@demo'/);
  const flag = await atTerminal(
    product,
    it.remove.replace("kubectl-ask", "krew-wasm run --no-prompt ask --"),
    [],
  );
  assert.doesNotMatch(flag.text, /a plugin asks/);
  const flags = it.remove.replace("kubectl-ask", "krew-wasm run --allow-cluster=delete:pods@demo ask --");
  assert.equal((await product.shell(flags)).stderr, "");
});

Deno.test("krew-wasm grants shows, changes, resets and explains", { ignore: clangMissing() }, async () => {
  await using it = await setUp("--allow-cluster=read-only", "--max-memory=1Gi");
  const { product } = it;
  const table = await product.run("grants", "ask", "--allow-read", "/etc/hosts", "--deny-home");
  assert.equal(table.code, 0, table.stderr);
  assert.match(table.stdout, /ask +files +read \/etc\/hosts +! the system's settings/);
  assert.match(table.stdout, /ask +denied +never see your home directory/);
  const { grants } = JSON.parse((await product.run("grants", "ask", "-o", "json")).stdout);
  assert.deepEqual(grants, it.receipt().grants);
  assert.equal(grants.limits.maxMemory, 2 ** 30);
  assert.equal(grants.deny.home, true);
  assert.match((await product.run("grants", "-o", "yaml")).stdout, /plugins:\n +- name: ask\n/);
  assert.match((await product.run("grants", "ask", "--explain")).stdout, /Credentials: It never holds your/);
  await product.run("grants", "ask", "--allow-home");
  assert.deepEqual([it.receipt().grants.deny.home, it.receipt().grants.home], [false, true]);
  const rules = `${product.home}/rules.yaml`;
  Deno.writeTextFileSync(rules, "rules:\n- verbs: [get]\n  apiGroups: ['']\n  resources: [pods]\n");
  await product.run("grants", "ask", "--allow-cluster", rules);
  assert.deepEqual(it.receipt().grants.cluster, {
    rules: [{
      verbs: ["get"],
      apiGroups: [""],
      resources: ["pods"],
      resourceNames: null,
      namespaces: null,
      nonResourceURLs: null,
    }],
    readOnly: false,
  });
  await product.run("grants", "ask", "--reset", "--yes");
  assert.equal(it.receipt().grants.cluster, "read-only");
  for (
    const [args, code, words] of [
      [["grants", "nope"], 1, /No plugin "nope" is installed/],
      [["grants", "--allow-home"], 2, /Name the plugin whose grants to change/],
      [["grants", "ask", "--allow-cluster=readonly"], 2, /neither none, read-only, full/],
      [["grants", "ask", "--allow-cluster=/none.yaml"], 1, /there is no such file/],
      [["grants", "ask", "--max-memory=lots"], 2, /not a size/],
    ] as const
  ) {
    const outcome = await product.run(...args);
    assert.equal(outcome.code, code, outcome.stderr);
    assert.match(outcome.stderr, words);
  }
});

testBinary("grants --reset goes back to the installation, and asks before it grants more", {
  ignore: terminalMissing(),
}, async () => {
  using product = Product.make();
  await using registry = TestRegistry.start();
  await push(registry.origin, "acme/foo", "v1", makeArtifact(makeExiting(1)));
  Deno.mkdirSync(`${product.home}/data`);
  assert.equal((await product.run("pull", `${registry.host}/acme/foo:v1`, "--allow-read=data")).code, 0);
  const grants = async () => JSON.parse((await product.run("grants", "foo", "-o", "json")).stdout).grants;
  const installed = await grants();
  const none = await product.run("grants", "foo", "--reset");
  assert.deepEqual([none.code, none.stderr], [0, ""]);
  await product.run("grants", "foo", "--allow-home");
  await product.run("grants", "foo", "--max-memory=8Mi");
  // Going back narrows files, and gives the memory back.
  const refused = await product.run("grants", "foo", "--reset");
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /^The grants of the installation let foo do more:\n[^]*memory +use up to 4 GiB/,
  );
  assert.match(refused.stderr, /nothing was changed\nhint: krew-wasm grants foo --reset --yes\n$/);
  assert.equal((await grants()).home, true);
  const no = await atTerminal(product, "krew-wasm grants foo --reset", [["[N]o: ", "\r"]]);
  assert.equal(no.code, 1, no.text);
  assert.equal((await grants()).home, true);
  const yes = await atTerminal(product, "krew-wasm grants foo --reset", [["[N]o: ", "y\r"]]);
  assert.equal(yes.code, 0, yes.text);
  assert.deepEqual(await grants(), installed);
  await product.run("grants", "foo", "--deny-all");
  await product.run("upgrade", "foo");
  assert.equal((await product.run("grants", "foo", "--reset", "--yes")).code, 0);
  assert.deepEqual(await grants(), installed);
  await product.run("grants", "foo", "--allow-home");
  assert.equal((await product.run("grants", "foo", "--reset", "--allow-write=data")).code, 0);
  assert.deepEqual([(await grants()).home, (await grants()).files.length], [false, 1]);
  assert.equal((await product.run("grants", "foo", "--reset")).code, 0);
  assert.deepEqual(await grants(), installed);
});

Deno.test("pull shows a publisher's wish and asks about it", {
  ignore: clangMissing() || terminalMissing(),
}, async () => {
  using product = Product.make();
  await using registry = TestRegistry.start();
  const wasm = await Deno.readFile(await buildFixture("hello"));
  const publish = async (tag: string, wish: unknown) =>
    await push(
      registry.origin,
      "plugins/hello",
      tag,
      makeArtifact(wasm, "cncf", {
        "krew-wasm.dev/grants": typeof wish === "string" ? wish : JSON.stringify(wish),
      }),
    );
  const grants = () => JSON.parse(Deno.readTextFileSync(`${product.store}/receipts/hello.json`)).grants;
  const reference = (tag: string) => `${registry.host}/plugins/hello:${tag}`;
  await publish("v1", {
    why: "Reads\u001b[2J manifests",
    read: ["~/manifests"],
    cluster: "read-only",
    env: ["HOME", "GH_TOKEN"],
  });
  // Without a terminal the wish is shown but not granted. A smaller cluster wish counts as no extension.
  const quiet = await product.run("pull", reference("v1"));
  assert.equal(quiet.code, 0, quiet.stderr);
  assert.match(quiet.stderr, /wishes to be granted:\n"Reads\\x1b\[2J manifests"\nGRANT +MAY +RISK\n/);
  assert.match(quiet.stderr, /files +read .*\/manifests +-\n/);
  assert.match(
    quiet.stderr,
    /environment +see HOME, GH_TOKEN, and no other +! GH_TOKEN looks like a credential\n/,
  );
  assert.match(quiet.stderr, /cluster +look at everything +! Secrets/);
  assert.match(
    quiet.stderr,
    /Not granted: .*\n {2}krew-wasm grants \S+ --allow-read=.* --allow-env=HOME,GH_TOKEN\n/,
  );
  assert.deepEqual([grants().files, grants().env, grants().cluster], [[], "default", "read-only"]);
  // For scripts.
  await product.run("rm", "hello");
  await product.run("pull", "--grants=wished", reference("v1"));
  assert.deepEqual([grants().files.length, grants().env], [1, ["HOME", "GH_TOKEN"]]);
  await product.run("pull", "--force", "--grants=none", reference("v1"));
  assert.deepEqual([grants().files, grants().env, grants().cluster], [[], [], "none"]);
  await product.run("rm", "hello");
  // At a terminal: all, none, or each.
  const each = await atTerminal(product, `krew-wasm pull ${reference("v1")}`, [["[e]ach: ", "e\r"], [
    "[N]o: ",
    "y\r",
  ], [
    "[N]o: ",
    "n\r",
  ]]);
  assert.match(each.text, /Installed hello/);
  assert.deepEqual([grants().files.length, grants().env], [1, "default"]);
  // An upgrade shows and asks for new wishes only, and keeps the grants.
  await publish("v2", {
    read: ["~/manifests"],
    write: ["~/out"],
    cluster: "read-only",
    env: ["HOME", "GH_TOKEN"],
  });
  const more = await atTerminal(product, `krew-wasm pull --force ${reference("v2")}`, [["[N]o: ", "y\r"]]);
  assert.match(more.text, /wishes for more than the version you have:/);
  assert.match(more.text, /read and change .*\/out/);
  assert.doesNotMatch(more.text, /GH_TOKEN/);
  assert.deepEqual([grants().files.length, grants().env], [2, "default"]);
  const same = await product.run("pull", "--force", reference("v2"));
  assert.doesNotMatch(same.stderr, /wish/);
  // An unreadable wish does not prevent the installation.
  await publish("v3", '{"everything": true}');
  const broken = await product.run("pull", "--force", reference("v3"));
  assert.equal(broken.code, 0);
  assert.match(broken.stderr, /left out: everything is not known/);
  // Each of several rules is granted as it was shown, even with odd names.
  const odd = { verbs: ["get"], apiGroups: [""], resources: ["configmaps"], resourceNames: ["a],secrets[b"] };
  await publish("v4", {
    read: ["~/manifests"],
    cluster: { rules: [odd, { verbs: ["list"], apiGroups: [""], resources: ["pods"] }] },
  });
  const rules = await atTerminal(product, `krew-wasm pull --force ${reference("v4")}`, [
    ["[e]ach: ", "e\r"],
    ["[N]o: ", "y\r"],
    ["[N]o: ", "n\r"],
  ]);
  assert.match(rules.text, / {2}get configmaps named "a\],secrets\[b"\? \[y\]es/);
  assert.deepEqual(grants().cluster, {
    rules: [{ ...odd, namespaces: null, nonResourceURLs: null }],
    readOnly: true,
  });
  // Flags win over the wish.
  await product.run("pull", "--force", "--grants=wished", "--deny-home", reference("v2"));
  assert.equal(grants().deny.home, true);
});

/** The C program that works on files, installed with `flags`. */
async function setUpFiles(...flags: string[]) {
  const product = Product.make();
  await using registry = TestRegistry.start();
  await push(
    registry.origin,
    "plugins/tool",
    "v1",
    makeArtifact(await Deno.readFile(await buildFixture("files"))),
  );
  const { code, stderr } = await product.run("pull", `${registry.host}/plugins/tool:v1`, ...flags);
  assert.equal(code, 0, stderr);
  Deno.mkdirSync(`${product.home}/src`);
  Deno.writeTextFileSync(`${product.home}/src/a`, "contents of a");
  return product;
}

Deno.test("krew-wasm asks for a file by its name and can store the grant", {
  ignore: clangMissing() || terminalMissing(),
}, async () => {
  using product = await setUpFiles();
  const { home } = product;
  const files = () => JSON.parse(Deno.readTextFileSync(`${product.store}/receipts/tool.json`)).grants.files;
  const read = `kubectl-tool read ${home}/src/a`;
  const refused = await product.shell(read);
  assert.equal(refused.code, 1);
  assert.ok(
    refused.stderr.endsWith(
      `krew-wasm: tool was not allowed to read ${home}/src/a; to allow it: krew-wasm grants tool --allow-read=${home}/src/a\n`,
    ),
    refused.stderr,
  );
  const once = await atTerminal(product, read, [["[n]o", "o\r"]]);
  assert.match(
    once.text,
    / {2}to {9}read a file\r\n {2}path {7}.*\/src\/a\r\nAllow it/,
  );
  assert.match(once.text, /contents of a/);
  assert.deepEqual(files(), []);
  const relative = await atTerminal(product, "cd src && kubectl-tool read a", [["[n]o", "a\r"]]);
  assert.match(relative.text, /contents of a/);
  const at = `${home}/src/a`;
  assert.deepEqual(files(), [{ host: at, guest: at, write: false, directory: false, real: at }]);
  assert.equal((await product.shell(read)).stdout, "contents of a");
  const write = await atTerminal(product, `kubectl-tool write ${home}/src/new text`, [["[n]o", "r\r"]]);
  assert.match(write.text, /to {9}make, change or delete a file\r\n {2}path {7}.*\/src\/new\r\n/);
  assert.equal(Deno.readTextFileSync(`${home}/src/new`), "text");
  assert.equal(files().length, 1);
  const none = await product.shell(`kubectl-tool read ${home}/src/none`);
  assert.doesNotMatch(none.stderr, /not allowed/, "what is not there is not missing a grant");
});

Deno.test(
  "a denied home directory is not asked for",
  { ignore: clangMissing() || terminalMissing() },
  async () => {
    using product = await setUpFiles("--deny-home");
    const denied = await atTerminal(product, `kubectl-tool read ${product.home}/src/a`, []);
    assert.doesNotMatch(denied.text, /a plugin asks|contents/);
  },
);

Deno.test("a component's client library shows a refused request", async () => {
  await using api = await TestApiServer.start();
  using product = Product.make();
  await using registry = TestRegistry.start();
  await push(
    registry.origin,
    "plugins/whoami",
    "v1",
    makeArtifact(await Deno.readFile(await buildFixture("whoami"))),
  );
  await product.run("pull", "--allow-cluster=read-only", `${registry.host}/plugins/whoami:v1`);
  Deno.mkdirSync(`${product.home}/.kube`);
  Deno.writeTextFileSync(`${product.home}/.kube/config`, api.kubeconfig());
  const reviews = await product.shell("kubectl-whoami -o name");
  assert.deepEqual([reviews.code, reviews.stdout, reviews.stderr], [0, "jane@example.com\n", ""]);
  await product.run("grants", "whoami", "--allow-cluster=none");
  const refused = await product.shell("kubectl-whoami -o name");
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /krew-wasm: whoami was not allowed to create selfsubjectreviews.authentication.k8s.io in all of the cluster; to allow it: krew-wasm grants whoami --allow-cluster=create:selfsubjectreviews.authentication.k8s.io\n$/,
  );
  assert.equal(api.seen.length, 1);
});

Deno.test("no answer overrides a denial or opens the store", {
  ignore: clangMissing() || terminalMissing(),
}, async () => {
  using product = await setUpFiles("--deny-read=~/src");
  const denied = await atTerminal(product, `kubectl-tool read ${product.home}/src/a`, []);
  assert.doesNotMatch(denied.text, /a plugin asks|contents/);
  assert.match(denied.text, /its grants, or the administrator of this machine, deny that/);
  const store = `${product.store}/receipts/tool.json`;
  const before = Deno.readTextFileSync(store);
  await atTerminal(product, `kubectl-tool write ${store} {}`, [["[n]o", "r\r"]]);
  assert.equal(Deno.readTextFileSync(store), before);
});
