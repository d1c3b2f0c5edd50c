/** Plugins for their users: pulled, found by kubectl, run with pipes, exit codes and grants. */

import assert from "node:assert/strict";
import { buildFixture } from "../../scripts/fixtures.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { binaryUnderTest, clangMissing, kubectlMissing, Product } from "../support/product.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";

/** An installation with the C programs pulled. */
async function setUp(names: readonly string[]) {
  const registry = TestRegistry.start();
  const product = Product.make();
  for (const name of names) {
    const wasm = await Deno.readFile(await buildFixture(name));
    await push(
      registry.origin,
      `plugins/${name}`,
      "v1",
      makeArtifact(wasm, name === "cat" ? "legacy" : "cncf"),
    );
    const local = name === "files" ? "file-tool" : name;
    const { code, stderr } = await product.run(
      "pull",
      `${registry.host}/plugins/${name}:v1`,
      "--name",
      local,
    );
    assert.equal(code, 0, stderr);
  }
  return {
    registry,
    product,
    async [Symbol.asyncDispose]() {
      product[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

Deno.test("arguments, environment, streams and exit codes pass unchanged", {
  ignore: clangMissing(),
}, async () => {
  await using it = await setUp(["hello"]);
  const { product } = it;
  const hello = (args: string[], options = {}) =>
    product.exec(`${product.store}/bin/kubectl-hello`, args, options);
  assert.deepEqual(await hello(["a b", "", "ü"]), {
    code: 0,
    stdout: "Hello, a b!\nHello, !\nHello, ü!\n",
    stderr: "",
  });
  assert.deepEqual(await hello(["-"], { stdin: "x\ny" }), {
    code: 0,
    stdout: "Hello, x!\nHello, y!\n",
    stderr: "",
  });
  for (const code of [0, 1, 2, 33, 125, 127, 128, 255]) {
    assert.equal((await hello(["--exit", String(code)])).code, code);
  }
  const misuse = await hello(["--nope"]);
  assert.equal(misuse.code, 2);
  assert.match(misuse.stderr, /unknown argument "--nope"/);
  assert.equal((await hello(["--", "-h"])).code, 2);
});

Deno.test("kubectl finds plugins, also with a dash in the name", {
  ignore: clangMissing() || kubectlMissing(),
}, async () => {
  await using it = await setUp(["hello", "files"]);
  assert.deepEqual(await it.product.shell("kubectl hello kube"), {
    code: 0,
    stdout: "Hello, kube!\n",
    stderr: "",
  });
  assert.equal((await it.product.shell("kubectl hello --exit 77")).code, 77);
  assert.equal((await it.product.shell("kubectl file-tool")).code, 2);
  assert.match(
    (await it.product.shell("kubectl plugin list")).stdout,
    /kubectl-file_tool\n[^]*kubectl-hello\n/,
  );
});

Deno.test("any amount of bytes passes unchanged", { ignore: clangMissing() }, async () => {
  await using it = await setUp(["cat"]);
  const { stdout } = await it.product.shell(
    "head -c 20000000 /dev/urandom > in; kubectl-cat < in > out; cmp in out && cat in | kubectl-cat | cmp - in && echo same",
  );
  assert.equal(stdout, "same\n");
});

Deno.test("a plugin ends quietly when its reader closes the pipe", { ignore: clangMissing() }, async () => {
  await using it = await setUp(["cat"]);
  const { stdout, stderr } = await it.product.shell(
    "{ yes | head -c 100000000 | kubectl-cat; echo $? >&2; } | head -1",
  );
  assert.equal(stdout, "y\n");
  assert.equal(stderr, "141\n");
});

Deno.test("Ctrl-C ends a plugin at once while it waits for stdin", {
  ignore: clangMissing() || !binaryUnderTest(),
}, async () => {
  await using it = await setUp(["cat"]);
  const child = new Deno.Command(`${it.product.store}/bin/kubectl-cat`, {
    clearEnv: true,
    env: it.product.env(),
    stdin: "piped",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  // It runs once it has echoed.
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode("x"));
  const reader = child.stdout.getReader();
  await reader.read();
  child.kill("SIGINT");
  assert.equal((await child.status).signal, "SIGINT");
  await reader.cancel();
  await writer.abort().catch(() => {});
});

Deno.test(
  "a crash says what happened and where, and exits with 134",
  { ignore: clangMissing() },
  async () => {
    await using it = await setUp(["trap"]);
    const cases = [["unreachable", /crash_here/], ["memory", /out of bounds/], ["zero", /divided/], [
      "stack",
      /stack overflowed/,
    ]] as const;
    for (const [how, words] of cases) {
      const { code, stdout, stderr } = await it.product.shell(`kubectl-trap ${how}`);
      assert.equal(code, 134, how);
      assert.equal(stdout, "");
      assert.match(stderr, words);
      assert.doesNotMatch(stderr, /\.(js|ts):|WebAssembly\.|RuntimeError/);
    }
  },
);

Deno.test(
  "a plugin sees only its private directory of the home directory",
  { ignore: clangMissing() },
  async () => {
    await using it = await setUp(["files", "hello"]);
    const { product } = it;
    Deno.mkdirSync(`${product.home}/.ssh`);
    Deno.writeTextFileSync(`${product.home}/.ssh/id_rsa`, "private");
    Deno.writeTextFileSync(`${product.home}/notes`, "mine");
    for (
      const path of [
        ".ssh/id_rsa",
        "notes",
        "/etc/passwd",
        "/etc/hostname",
        "../../etc/passwd",
        "/proc/self/environ",
        ".",
        "/",
      ]
    ) {
      for (const op of ["read", "list"]) {
        const { code, stdout } = await product.shell(`kubectl-file_tool ${op} ${path}`);
        // The directories above its mounts exist but are empty. They can be opened as directories.
        const opens = op === "read" && [".", "/"].includes(path);
        assert.deepEqual([code, stdout], [opens ? 0 : 1, ""], `${op} ${path}`);
      }
    }
    const own = `${product.store}/data/file-tool`;
    assert.equal(
      (await product.shell(
        `kubectl-file_tool write "${own}/cache/x" hello && kubectl-file_tool read "${own}/cache/x"`,
      )).stdout,
      "hello",
    );
    const { stdout } = await product.shell("kubectl-hello --env", {
      env: { API_TOKEN: "s3cret", LANG: "C" },
    });
    const env = Object.fromEntries(stdout.trim().split("\n").map((line) => line.split(/=(.*)/s)));
    assert.equal(env.LANG, "C");
    assert.equal(env.HOME, product.home);
    assert.equal(env.TMPDIR, `${product.store}/data/hello/tmp`);
    assert.ok(!stdout.includes("s3cret"));
  },
);

Deno.test(
  "the --allow flags for files and variables work at pull and at run",
  { ignore: clangMissing() },
  async () => {
    await using it = await setUp(["hello"]);
    const { product, registry } = it;
    const wasm = await buildFixture("files");
    await push(registry.origin, "plugins/files", "v1", makeArtifact(await Deno.readFile(wasm)));
    Deno.mkdirSync(`${product.home}/work`);
    Deno.writeTextFileSync(`${product.home}/work/a`, "A");
    Deno.writeTextFileSync(`${product.home}/work/b`, "B");
    const cwd = `${product.home}/work`;
    const run = (line: string) => product.shell(`krew-wasm run ${line}`, { cwd });
    assert.equal((await run(`--allow-read=. ${wasm} read a`)).stdout, "A");
    assert.equal((await run(`--allow-read=. ${wasm} -- read ${cwd}/a`)).stdout, "A");
    assert.equal((await run(`--allow-read=. ${wasm} write a x`)).code, 1);
    assert.equal((await run(`--allow-read=a ${wasm} read a`)).stdout, "A");
    assert.equal((await run(`--allow-read=a ${wasm} read b`)).code, 1);
    assert.equal((await run(`--allow-read=${cwd}::/data ${wasm} read /data/a`)).stdout, "A");
    assert.equal((await run(`--allow-write=. ${wasm} write c new`)).code, 0);
    assert.equal(Deno.readTextFileSync(`${cwd}/c`), "new");
    assert.equal((await run(`--allow-write=fresh ${wasm} write fresh new`)).code, 0);
    assert.equal((await run(`--allow-home ${wasm} read ${product.home}/work/b`)).stdout, "B");
    assert.equal((await run(`--allow-read=a::/x/b ${wasm} read /x/b`)).stdout, "A");
    assert.equal((await run(`--allow-read=a::/x/b ${wasm} read a`)).code, 1);
    // A granted link is the file that it leads to, under the link's name, and nothing beside it.
    Deno.mkdirSync(`${product.home}/dotfiles`);
    Deno.writeTextFileSync(`${product.home}/dotfiles/rc`, "RC");
    Deno.symlinkSync("../dotfiles/rc", `${cwd}/.rc`);
    assert.equal((await run(`--allow-read=.rc ${wasm} read .rc`)).stdout, "RC");
    assert.equal((await run(`--allow-read=.rc --allow-write=b ${wasm} -- read ${cwd}/.rc`)).stdout, "RC");
    assert.equal((await run(`--allow-read=.rc ${wasm} write .rc x`)).code, 1);
    assert.equal((await run(`--allow-read=.rc ${wasm} -- read ${product.home}/dotfiles/rc`)).code, 1);
    assert.equal((await run(`--allow-write=.rc ${wasm} write .rc new`)).code, 0);
    assert.equal(Deno.readTextFileSync(`${product.home}/dotfiles/rc`), "new");
    assert.equal(
      (await product.shell(`FOO=1 BAR=2 krew-wasm run --allow-env=FOO ${await buildFixture("hello")} --env`))
        .stdout,
      "FOO=1\n",
    );

    await product.run("pull", `${registry.host}/plugins/files:v1`, "--allow-read", cwd);
    assert.equal((await product.shell("kubectl-files read a", { cwd })).stdout, "A");
    assert.equal((await product.shell("kubectl-files write a x", { cwd })).code, 1);
    assert.equal((await run("--allow-write=. files write a changed")).code, 0);
    assert.equal(Deno.readTextFileSync(`${cwd}/a`), "changed");
  },
);

Deno.test("even with --allow-home a plugin can't change the store or krew-wasm", {
  ignore: clangMissing(),
}, async () => {
  await using it = await setUp(["files"]);
  const { product } = it;
  const { store, home } = product;
  Deno.symlinkSync(store, `${home}/alias`);
  const run = (line: string) => product.shell(`krew-wasm run --allow-home file-tool ${line}`);
  const receipt = `${store}/receipts/file-tool.json`;
  const before = Deno.readTextFileSync(receipt);
  for (
    const line of [
      `write ${receipt} x`,
      `unlink ${receipt}`,
      `rename ${receipt} ${home}/r`,
      `rename ${store} ${home}/gone`,
      `link ${receipt} ${home}/r`,
      `write ${home}/alias/bin/kubectl-evil x`,
      `symlink x ${store}/bin/kubectl-evil`,
      `mkdir ${store}/compiled/x`,
      `write ${store}/bin/krew-wasm x`,
      `unlink ${store}/bin/kubectl-file_tool`,
      `write ${store}/data/other x`,
    ]
  ) assert.equal((await run(line)).code, 1, line);
  assert.equal(Deno.readTextFileSync(receipt), before);
  assert.deepEqual(
    [...Deno.readDirSync(`${store}/bin`)].map(({ name }) => name).sort(),
    ["krew-wasm", "kubectl-file_tool"],
  );
});

Deno.test("krew-wasm does not run a modified compiled form", { ignore: clangMissing() }, async () => {
  await using it = await setUp(["hello"]);
  const { store } = it.product;
  const [directory] = [...Deno.readDirSync(`${store}/compiled`)];
  const path = `${store}/compiled/${directory!.name}/plugin.wasm`;
  const bytes = Deno.readFileSync(path);
  bytes[bytes.length - 1]! ^= 1;
  Deno.writeFileSync(path, bytes);
  const { code, stdout, stderr } = await it.product.shell("kubectl-hello");
  assert.deepEqual([code, stdout], [125, ""]);
  assert.match(stderr, /^error: The compiled form of "hello" is broken/);
});

Deno.test(
  "a plugin compiled by another version is compiled again on first use",
  { ignore: clangMissing() },
  async () => {
    await using it = await setUp(["hello"]);
    const receipt = `${it.product.store}/receipts/hello.json`;
    Deno.writeTextFileSync(
      receipt,
      Deno.readTextFileSync(receipt).replace(/"bindgen": "[^"]*"/, '"bindgen": "0-old"'),
    );
    Deno.removeSync(`${it.product.store}/compiled`, { recursive: true });
    assert.equal((await it.product.shell("kubectl-hello")).stdout, "Hello, world!\n");
    assert.doesNotMatch(Deno.readTextFileSync(receipt), /0-old/);
  },
);

Deno.test("a plugin that is not installed exits 125", async () => {
  using product = Product.make();
  const run = async (...args: string[]) => await product.run("run", ...args);
  Deno.writeTextFileSync(`${product.home}/text.wasm`, "no wasm");
  Deno.writeFileSync(`${product.home}/empty.wasm`, new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]));
  Deno.writeFileSync(`${product.home}/new.wasm`, new Uint8Array([0, 0x61, 0x73, 0x6d, 9, 0, 9, 0]));
  for (const args of [["nope"], ["./nope.wasm"], ["./text.wasm"], ["./empty.wasm"], ["./new.wasm"]]) {
    const { code, stdout, stderr } = await run(...args);
    assert.deepEqual([code, stdout], [125, ""], args.join());
    assert.match(stderr, /^error: [A-Z"]/, args.join());
    assert.doesNotMatch(stderr, /defect/);
  }
  if (binaryUnderTest()) {
    Deno.symlinkSync(product.command, `${product.home}/bin/kubectl-ghost`);
    const { code, stderr } = await product.shell("kubectl-ghost");
    assert.equal(code, 125);
    assert.match(stderr, /^error: No plugin "ghost" is installed/);
  }
});

Deno.test(
  "called by its own name, by whatever path, it is the manager",
  { ignore: !binaryUnderTest() },
  async () => {
    using product = Product.make();
    const binary = binaryUnderTest()!;
    assert.match((await product.exec(binary, ["version"])).stdout, /^krew-wasm \d/);
    assert.match((await product.shell("krew-wasm version")).stdout, /^krew-wasm \d/);
    Deno.symlinkSync(binary, `${product.home}/bin/renamed`);
    assert.match((await product.shell("renamed version")).stdout, /^krew-wasm \d/);
  },
);
