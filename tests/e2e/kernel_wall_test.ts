/**
 * The kernel restrictions take nothing from a user. krew-wasm says where they are missing, and can require them.
 * tests/hostile/kernel_wall_test.ts shows what they stop.
 */

import assert from "node:assert/strict";
import { shellQuoted } from "../../runtime/base/text.ts";
import { buildFixture } from "../../scripts/fixtures.ts";
import { TestApiServer } from "../../scripts/servers/api_server.ts";
import {
  landlockMissing,
  withoutCalls,
  withoutLandlock,
  withoutLandlockMissing,
} from "../support/landlock.ts";
import { namespaceArgs, namespaceMissing } from "../support/namespace.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { binaryUnderTest, clangMissing, type Outcome, Product } from "../support/product.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";
import { atTerminal, terminalMissing } from "../support/terminal.ts";

const ignore = clangMissing() || !binaryUnderTest() || landlockMissing();

interface Setting extends AsyncDisposable {
  readonly api: TestApiServer;
  readonly product: Product;
  readonly home: string;
  /** Runs operations of tests/fixtures/attack.c in a shell command; returns one line for each. */
  try(operations: string, options?: Parameters<Product["shell"]>[1]): Promise<Outcome & { lines: string[] }>;
  /** Writes a kubeconfig with this user. */
  become(user: unknown): void;
}

async function setUp(): Promise<Setting> {
  const api = await TestApiServer.start();
  const product = Product.make();
  const { home } = product;
  await using registry = TestRegistry.start();
  for (const [name, fixture] of [["tool", "attack-network"], ["hello", "hello"]] as const) {
    const artifact = makeArtifact(await Deno.readFile(await buildFixture(fixture)));
    await push(registry.origin, `plugins/${name}`, "v1", artifact);
    const { code, stderr } = await product.run("pull", `${registry.host}/plugins/${name}:v1`);
    assert.equal(code, 0, stderr);
  }
  Deno.mkdirSync(`${home}/.kube`);
  Deno.writeTextFileSync(`${home}/.kube/config`, api.kubeconfig());
  return {
    api,
    product,
    home,
    async try(operations, options) {
      const outcome = await product.shell(`krew-wasm run ${operations}`, options);
      return { ...outcome, lines: outcome.stdout.trimEnd().split("\n") };
    },
    become(user) {
      const config = JSON.parse(api.kubeconfig());
      config.users[0].user = user;
      Deno.writeTextFileSync(`${home}/.kube/config`, JSON.stringify(config));
    },
    async [Symbol.asyncDispose]() {
      product[Symbol.dispose]();
      await api[Symbol.asyncDispose]();
    },
  };
}

const API_VERSION = "client.authentication.k8s.io/v1";

/** A credential plugin: a shell script that runs `script` and prints `$token`. */
function credentialPlugin(home: string, script: string): { exec: Record<string, unknown> } {
  const status = `{"apiVersion":"${API_VERSION}","kind":"ExecCredential","status":{"token":"'"$token"'"}}`;
  Deno.writeTextFileSync(`${home}/credential`, `#!/bin/sh\n${script}\necho '${status}'\n`, { mode: 0o755 });
  return {
    exec: { apiVersion: API_VERSION, command: `${home}/credential`, interactiveMode: "IfAvailable" },
  };
}

Deno.test("kernel restrictions allow every operation on granted files", {
  ignore,
}, async (t) => {
  await using it = await setUp();
  const { home } = it;
  Deno.mkdirSync(`${home}/work/sub`, { recursive: true });
  Deno.writeTextFileSync(`${home}/work/file`, "content\n");
  Deno.mkdirSync(`${home}/read`);
  Deno.writeTextFileSync(`${home}/read/file`, "content");
  await t.step("in directories", async () => {
    const { lines } = await it.try(
      `--allow-write=${home}/work --allow-read=${home}/read tool -- ` + [
        `read ${home}/read/file`,
        `write ${home}/work/new text`,
        `rename ${home}/work/new ${home}/work/sub/moved`,
        `read ${home}/work/sub/moved`,
        `symlink sub/moved ${home}/work/link`,
        `read ${home}/work/link`,
        `link ${home}/work/file ${home}/work/sub/hard`,
        `unlink ${home}/work/sub/moved`,
        `mkdir ${home}/work/made`,
        `rmdir ${home}/work/made`,
        `write ${home}/read/new text`,
      ].join(" , "),
    );
    assert.deepEqual(lines, ["content", "ok", "ok", "text", "ok", "text", "ok", "ok", "ok", "ok", "EROFS"]);
  });
  await t.step("a single file that is there, or is not there yet", async () => {
    const { lines } = await it.try(
      `--allow-write=${home}/work/file --allow-write=${home}/made tool -- ` + [
        `write ${home}/work/file more`,
        `read ${home}/work/file`,
        `write ${home}/made new`,
        `read ${home}/made`,
        `unlink ${home}/made`,
        `read ${home}/made`,
        `write ${home}/made again`,
        `unlink ${home}/work/file`,
        `write ${home}/work/file other`,
        `write ${home}/beside x`,
      ].join(" , "),
    );
    assert.deepEqual(lines.slice(0, -1), ["ok", "more", "ok", "new", "ok", "ENOENT", "ok", "ok", "ok"]);
    assert.equal(Deno.readTextFileSync(`${home}/made`), "again");
    assert.equal(Deno.readTextFileSync(`${home}/work/file`), "other");
    assert.ok(!lines.at(-1)!.startsWith("ok"), lines.at(-1));
  });
  await t.step("removes the directory of a file that was only tried", async () => {
    const temporary = `${home}/tmp`;
    Deno.mkdirSync(temporary);
    const module = await buildFixture("attack-network");
    const { lines } = await it.try(
      `${module} -- write $(echo) x , getenv TMPDIR`.replace("$(echo) ", ""),
      {
        env: { TMPDIR: temporary },
      },
    );
    assert.ok(lines.at(-1)!.startsWith(`${temporary}/krew-wasm-`), lines.at(-1));
    assert.deepEqual([...Deno.readDirSync(temporary)], []);
  });
  await t.step("records denials", async () => {
    Deno.writeTextFileSync(`${home}/.bashrc`, "");
    await it.try(`tool -- read ${home}/.bashrc`);
    const { stdout } = await it.product.run("log");
    assert.match(stdout, new RegExp(`read ${home}/\\.bashrc`));
  });
});

Deno.test("a grant during the run takes effect at once", {
  ignore: ignore || terminalMissing(),
}, async (t) => {
  await using it = await setUp();
  const { home, product } = it;
  Deno.mkdirSync(`${home}/work/sub`, { recursive: true });
  Deno.writeTextFileSync(`${home}/work/file`, "content\n");
  const receipt = () => JSON.parse(Deno.readTextFileSync(`${product.store}/receipts/tool.json`)).grants;
  await t.step("a directory with all operations, for this run", async () => {
    const operations = [
      `list ${home}/work`,
      `write ${home}/work/new text`,
      `rename ${home}/work/new ${home}/work/sub/moved`,
      `read ${home}/work/sub/moved`,
      `symlink sub/moved ${home}/work/link`,
      `read ${home}/work/link`,
      `unlink ${home}/work/link`,
    ];
    const { text } = await atTerminal(product, `kubectl-tool ${operations.join(" , ")}`, [
      ["[n]o", "r\r"],
      ["[n]o", "r\r"],
      ["[n]o", "r\r"],
      ["[n]o", "r\r"],
      ["[n]o", "r\r"],
    ]);
    assert.match(text, /file|sub/);
    assert.equal(Deno.readTextFileSync(`${home}/work/sub/moved`), "text");
    assert.deepEqual(receipt().files, []);
  });
  await t.step("a file, always", async () => {
    const { text } = await atTerminal(product, `kubectl-tool read ${home}/work/file`, [["[n]o", "a\r"]]);
    assert.match(text, /content/);
    assert.equal(receipt().files[0].host, `${home}/work/file`);
    assert.deepEqual((await it.try(`tool -- read ${home}/work/file`)).lines, ["content"]);
  });
});

Deno.test("a question ends with its run and restores the terminal", {
  ignore: ignore || terminalMissing(),
}, async () => {
  await using it = await setUp();
  const { home, product } = it;
  Deno.writeTextFileSync(`${home}/file`, "content\n");
  const line = [
    "before=$(stty -g)",
    `sh -c 'echo $$ >${home}/pid; exec kubectl-tool read ${home}/file'`,
    `while [ ! -e ${home}/gone ]; do sleep 0.05; done`,
    '[ "$(stty -g)" = "$before" ] && echo as it was',
  ].join("; ");
  const kill = async () => {
    const pid = Number(Deno.readTextFileSync(`${home}/pid`));
    const children = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim().split(" ").map(Number);
    assert.equal(children.length, 1);
    Deno.kill(pid, "SIGKILL");
    await gone(children[0]!);
    Deno.writeTextFileSync(`${home}/gone`, "");
  };
  const seen = await atTerminal(product, line, [["[n]o", kill]]);
  assert.match(seen.text, /as it was/);
  assert.doesNotMatch(seen.text, /content/);
});

Deno.test("credential plugins run unrestricted with the user's terminal and environment", {
  ignore: ignore || terminalMissing(),
}, async (t) => {
  await using it = await setUp();
  const { api, home, product } = it;
  const get = `request get ${api.server}/version ''`;
  await t.step("one that asks for a password", async () => {
    const script = `[ -t 0 ] || exit 3; stty -echo; printf "Password: " >&2; read -r word; stty echo
      [ "$word" = "open sesame" ] && token=${api.token} || token=wrong`;
    it.become(credentialPlugin(home, script));
    const { code, text } = await atTerminal(product, `kubectl-tool ${get}`, [[
      "Password: ",
      "open sesame\r",
    ]]);
    assert.match(text, /200/);
    assert.doesNotMatch(text, /sesame/);
    assert.equal(code, 0);
  });
  await t.step("Ctrl-C at its question ends the run", async () => {
    const pid = `${home}/pid`;
    it.become(credentialPlugin(home, `echo $$ >${pid}; printf "Password: " >&2; read -r word; token=none`));
    const { code } = await atTerminal(product, `kubectl-tool ${get}`, [["Password: ", "\x03"]]);
    assert.equal(code, 130);
    await gone(Number(Deno.readTextFileSync(pid)));
  });
  await t.step("runs again when its credential expires", async () => {
    const count = `${home}/count`;
    Deno.writeTextFileSync(count, "");
    it.become(credentialPlugin(home, `echo x >>${count}; token=${api.token}`));
    api.hook = (_, url) => {
      if (!url.pathname.startsWith("/version") || Deno.readTextFileSync(count).length > 2) return undefined;
      return new Response("{}", { status: 401 });
    };
    const { stdout, stderr } = await product.shell(`kubectl-tool ${get}`);
    api.hook = undefined;
    assert.match(stdout, /^200/, stderr);
    assert.equal(Deno.readTextFileSync(count), "x\nx\n");
  });
  await t.step("reports a plugin that fails or is missing", async () => {
    it.become(credentialPlugin(home, "exit 7"));
    assert.match((await product.shell(`kubectl-tool ${get}`)).stderr, /credential" failed with exit code 7/);
    it.become({ exec: { apiVersion: API_VERSION, command: `${home}/none`, interactiveMode: "Never" } });
    assert.match((await product.shell(`kubectl-tool ${get}`)).stderr, /none" was not found/);
  });
  await t.step("a killed run leaves nothing behind", async () => {
    const [pid, parent] = [`${home}/pid`, `${home}/parent`];
    it.become(credentialPlugin(home, `echo $PPID >${parent}; echo $$ >${pid}; sleep 600`));
    const child = product.start(`${product.store}/bin/kubectl-tool`, [
      "request",
      "get",
      `${api.server}/version`,
      "",
    ]);
    const written = (path: string) => {
      try {
        return Number(Deno.readTextFileSync(path));
      } catch {
        return 0;
      }
    };
    Deno.writeTextFileSync(pid, "");
    while (written(pid) === 0 || written(parent) === 0) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    child.kill("SIGKILL");
    await child.status;
    await Promise.all([child.stdin.close(), child.stdout.cancel()]);
    await gone(written(parent));
    await gone(written(pid));
  });
});

Deno.test("krew-wasm rereads a token that changes during the run", {
  ignore,
}, async () => {
  await using it = await setUp();
  const { api, home } = it;
  // As Kubernetes' projected volumes: a link to a directory that changes at each rotation.
  const volume = `${home}/volume`;
  const rotate = (name: string, token: string) => {
    Deno.mkdirSync(`${volume}/${name}`, { recursive: true });
    Deno.writeTextFileSync(`${volume}/${name}/token`, token);
    Deno.symlinkSync(name, `${volume}/next`);
    Deno.renameSync(`${volume}/next`, `${volume}/..data`);
  };
  rotate("..1", "old");
  Deno.symlinkSync("..data/token", `${volume}/token`);
  it.become({ tokenFile: `${volume}/token` });
  let asked = 0;
  api.hook = (request) => {
    asked++;
    if (request.headers.get("authorization") === "Bearer old") {
      rotate("..2", api.token);
      return new Response("{}", { status: 401 });
    }
    return undefined;
  };
  const { lines, stderr } = await it.try(`tool -- request get ${api.server}/version ''`);
  assert.match(lines[0]!, /^200/, stderr);
  assert.equal(asked, 2);
});

Deno.test("krew-wasm lists the restrictions of a system", { ignore }, async () => {
  using product = Product.make();
  const version = JSON.parse((await product.run("version", "-o", "json")).stdout);
  assert.deepEqual(version.walls, { sandbox: "full", permissions: "full", kernel: "full" });
  assert.ok(version.landlock >= 4);
  const { stdout } = await product.run("doctor", "--offline");
  assert.match(stdout, /ok +walls +Plugins are held by .*, and by the kernel \(Landlock \d+, seccomp\)/);
});

Deno.test("without Landlock a plugin runs, unless kernel restrictions are required", {
  ignore: ignore || withoutLandlockMissing() || terminalMissing(),
}, async (t) => {
  await using it = await setUp();
  const { api, home, product } = it;
  Deno.writeTextFileSync(`${home}/file`, "content\n");
  const under = (
    line: string,
    env: Record<string, string> = {},
    errno?: Parameters<typeof withoutLandlock>[0],
  ) => product.shell(`${withoutLandlock(errno).map(shellQuoted).join(" ")} ${line}`, { env });
  const asked = { KREW_WASM_REQUIRE_WALLS: "kernel" };
  await t.step("plugins, credential plugins and questions work", async () => {
    it.become(credentialPlugin(home, `token=${api.token}`));
    const { code, stdout, stderr } = await under(`kubectl-tool request get ${api.server}/version ''`);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^200/);
    assert.equal(stderr, "");
    const line = `${withoutLandlock().map(shellQuoted).join(" ")} kubectl-tool read ${home}/file`;
    assert.match((await atTerminal(product, line, [["[n]o", "a\r"]])).text, /content/);
    const { files } = JSON.parse(Deno.readTextFileSync(`${product.store}/receipts/tool.json`)).grants;
    assert.equal(files[0].host, `${home}/file`);
  });
  await t.step("lists the available restrictions", async () => {
    const { stdout } = await under("krew-wasm version -o json");
    assert.equal(JSON.parse(stdout).walls.kernel, "none");
    assert.match(
      (await under("krew-wasm doctor --offline")).stdout,
      /ok +walls +.*permissions, not by the kernel: the kernel has no Landlock/,
    );
    const doctor = await under("krew-wasm doctor --offline", asked);
    assert.equal(doctor.code, 1);
    assert.match(doctor.stdout, /error +walls +KREW_WASM_REQUIRE_WALLS requires the kernel's restrictions/);
  });
  await t.step("runs nothing if kernel restrictions are required", async () => {
    const whys = {
      ENOSYS: "the kernel has no Landlock",
      EOPNOTSUPP: "Landlock is switched off",
      EPERM: "this container does not let Landlock be asked for",
    };
    for (const errno of ["ENOSYS", "EOPNOTSUPP", "EPERM"] as const) {
      for (const line of ["kubectl-hello", `krew-wasm run ${await buildFixture("hello")}`]) {
        const { code, stdout, stderr } = await under(line, asked, errno);
        assert.deepEqual([code, stdout], [125, ""]);
        assert.match(stderr, new RegExp(`^error: KREW_WASM_REQUIRE_WALLS requires .*: ${whys[errno]}`));
        assert.match(stderr, /hint: krew-wasm doctor/);
      }
    }
  });
});

Deno.test("a container gets the restrictions that it permits, and a report of them", {
  ignore: ignore || withoutLandlockMissing() || terminalMissing(),
}, async (t) => {
  await using it = await setUp();
  const { api, home, product } = it;
  Deno.writeTextFileSync(`${home}/file`, "content\n");
  it.become(credentialPlugin(home, `token=${api.token}`));
  for (
    const [name, standing, why] of [
      ["prctl", "none", "this container refuses prctl"],
      ["seccomp", "partial", "the kernel, or this container, has no seccomp"],
    ] as const
  ) {
    await t.step(name, async () => {
      for (const errno of ["EPERM", "ENOSYS"]) {
        const words = withoutCalls(name, errno).map(shellQuoted).join(" ");
        const under = (line: string, env = {}) => product.shell(`${words} ${line}`, { env });
        assert.equal(JSON.parse((await under("krew-wasm version -o json")).stdout).walls.kernel, standing);
        assert.match((await under("krew-wasm doctor --offline")).stdout, new RegExp(`ok +walls .*: ${why}`));
        const request = await under(`kubectl-tool request get ${api.server}/version ''`);
        assert.match(request.stdout, /^200/, request.stderr);
        assert.equal(request.stderr, "");
        const read = await atTerminal(product, `${words} kubectl-tool read ${home}/file`, [["[n]o", "o\r"]]);
        assert.match(read.text, /content/);
        const made = await under(`krew-wasm run --allow-write=${home}/made tool -- write ${home}/made x`);
        assert.equal(made.stdout, "ok\n", made.stderr);
        Deno.removeSync(`${home}/made`);
        const { code, stderr } = await under("kubectl-hello", { KREW_WASM_REQUIRE_WALLS: "kernel" });
        assert.equal(code, 125);
        assert.match(stderr, new RegExp(`^error: KREW_WASM_REQUIRE_WALLS requires .*: ${why}`));
      }
    });
  }
});

Deno.test("the user can require kernel restrictions", { ignore: ignore || terminalMissing() }, async (t) => {
  await using it = await setUp();
  const { api, home, product } = it;
  const env = { KREW_WASM_REQUIRE_WALLS: "kernel" };
  await t.step("a variable requires them for every kind of run", async () => {
    it.become(credentialPlugin(home, `token=${api.token}`));
    Deno.writeTextFileSync(`${home}/file`, "content\n");
    assert.equal((await product.shell("kubectl-hello", { env })).stdout, "Hello, world!\n");
    assert.equal(
      (await product.shell(`krew-wasm run ${await buildFixture("hello")}`, { env })).stdout,
      "Hello, world!\n",
    );
    const request = `kubectl-tool request get ${api.server}/version ''`;
    assert.match((await product.shell(request, { env })).stdout, /^200/);
    const read = await atTerminal(product, `kubectl-tool read ${home}/file`, [["[n]o", "o\r"]], env);
    assert.match(read.text, /content/);
  });
  await t.step("refuses an unknown restriction", async () => {
    const { code, stderr } = await product.shell("kubectl-hello", {
      env: { KREW_WASM_REQUIRE_WALLS: "four" },
    });
    assert.equal(code, 125);
    assert.match(stderr, /^error: KREW_WASM_REQUIRE_WALLS is "four", and must be "kernel"/);
  });
  await t.step({
    name: "by the administrator",
    ignore: namespaceMissing() || withoutLandlockMissing(),
    async fn() {
      const policy = `umask 022; mkdir /etc/krew-wasm; echo 'walls: kernel' >/etc/krew-wasm/policy.yaml`;
      const under = (line: string) => product.exec("unshare", namespaceArgs(policy, line));
      assert.deepEqual(await under("kubectl-hello"), { code: 0, stdout: "Hello, world!\n", stderr: "" });
      const { code, stderr } = await under(`${withoutLandlock().map(shellQuoted).join(" ")} kubectl-hello`);
      assert.equal(code, 125);
      assert.match(stderr, /^error: \/etc\/krew-wasm\/policy\.yaml requires the kernel's restrictions/);
    },
  });
});

/** Waits until the process has ended. */
async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      if (/^State:\s+Z/m.test(Deno.readTextFileSync(`/proc/${pid}/status`))) return;
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
