/** The administrator's file in its real place, /etc/krew-wasm/policy.yaml. Each command has its own mount namespace. */

import assert from "node:assert/strict";
import { shellQuoted } from "../../runtime/base/text.ts";
import { buildFixture } from "../../scripts/fixtures.ts";
import { TestApiServer } from "../../scripts/servers/api_server.ts";
import { namespaceArgs, namespaceLine, namespaceMissing } from "../support/namespace.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { clangMissing, Product } from "../support/product.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";
import { atTerminal, terminalMissing } from "../support/terminal.ts";
import { testBinary } from "../support/test_binary.ts";

const PATH = "/etc/krew-wasm/policy.yaml";

/** Creates the file like an administrator, then runs `more`. */
function policy(value: unknown, more = ":"): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return `umask 022; mkdir /etc/krew-wasm; printf %s ${shellQuoted(text)} >${PATH}; ${more}`;
}

testBinary("the administrator's file limits the user", {
  ignore: clangMissing() || namespaceMissing(),
}, async (t) => {
  await using api = await TestApiServer.start();
  await using registry = TestRegistry.start();
  using product = Product.make();
  const { home } = product;
  const network = await Deno.readFile(await buildFixture("attack-network"));
  await push(registry.origin, "plugins/tool", "v1", makeArtifact(network));
  const reference = `${registry.host}/plugins/tool:v1`;
  Deno.mkdirSync(`${home}/work`);
  Deno.writeTextFileSync(`${home}/work/file`, "granted");
  Deno.mkdirSync(`${home}/.kube`);
  Deno.writeTextFileSync(`${home}/.kube/config`, api.kubeconfig());
  const pulled = await product.run("pull", reference, `--allow-write=${home}/work`);
  assert.equal(pulled.code, 0, pulled.stderr);
  const there = () => [...Deno.readDirSync("/etc")].some(({ name }) => name === "krew-wasm");
  const before = there();

  /** Runs a line under a policy. */
  const under = (prepare: string, line: string) => product.exec("unshare", namespaceArgs(prepare, line));
  const read = `kubectl-tool read ${home}/work/file`;
  const remove = `kubectl-tool request delete ${api.server}/api/v1/namespaces/demo/pods/web ''`;

  await t.step("changes nothing without a file", async () => {
    assert.deepEqual(await under(":", read), { code: 0, stdout: "granted\n", stderr: "" });
  });
  await t.step("applies upper bounds at every run, whatever the receipt says", async () => {
    const bounds = policy({
      rules: [{ match: "**", maximum: { read: ["/srv"], cluster: "read-only", env: ["HOME"] } }],
    });
    const refused = await under(bounds, read);
    assert.equal(refused.stdout, "ENOENT\n");
    assert.match(
      refused.stderr,
      /was not allowed to read .*: its grants, or the administrator of this machine, deny that/,
    );
    const seen = api.seen.length;
    const answer = await under(bounds, `${remove}; kubectl-tool getenv LANG; kubectl-tool getenv HOME`);
    assert.match(answer.stdout, /^403 .*administrator of this machine does not allow it/);
    assert.match(answer.stdout, new RegExp(`\nunset\n${home}\n$`));
    assert.equal(api.seen.length, seen);
    const narrower = policy({ rules: [{ match: "**", maximum: { read: ["~/work"], write: [] } }] });
    const kept = await under(narrower, `${read}; kubectl-tool append ${home}/work/file x`);
    assert.match(kept.stdout, /^granted\nEROFS\n$/);
    // The bounds apply to a user's additional grants at once.
    const more = await under(bounds, `krew-wasm run --no-prompt --allow-all tool -- read ${home}/work/file`);
    assert.equal(more.stdout, "ENOENT\n");
    const granted = await under(bounds, "krew-wasm grants tool --allow-cluster=full");
    assert.match(granted.stderr, /does not allow/);
    // The receipt no longer has the grants above the bounds.
    assert.equal((await product.run("grants", "tool", `--allow-write=${home}/work`)).code, 0);
  });
  await t.step("allows plugins only from the named registries", async () => {
    const elsewhere = policy({ registries: ["ghcr.io"] });
    const asked = registry.requests.length;
    const pull = await under(elsewhere, `krew-wasm pull --force ${reference}`);
    assert.deepEqual([pull.code, registry.requests.length], [1, asked]);
    assert.match(pull.stderr, /is not allowed on this machine: plugins come from ghcr\.io only/);
    const run = await under(elsewhere, read);
    assert.deepEqual([run.code, run.stdout], [125, ""]);
    assert.equal((await under(policy({ registries: [registry.host] }), read)).stdout, "granted\n");
  });
  await t.step("refuses to run or pull an unsigned plugin that must be signed", async () => {
    const signed = policy({
      rules: [{
        match: "**",
        verify: "https://github.com/acme/*@https://token.actions.githubusercontent.com",
      }],
    });
    const run = await under(signed, read);
    assert.deepEqual([run.code, run.stdout], [125, ""]);
    assert.match(run.stderr, /no signature was verified when it was installed/);
    const pull = await under(signed, `krew-wasm pull --force ${reference}`);
    assert.equal(pull.code, 1, pull.stderr);
    assert.match(pull.stderr, /sign/);
  });
  await t.step("can forbid running files that are not installed", async () => {
    Deno.writeFileSync(`${home}/x.wasm`, network);
    const line = `krew-wasm run ${home}/x.wasm print ran`;
    const files = policy({ rules: [{ match: "file://**", allow: false }] });
    assert.equal((await under(":", line)).stdout, "ran\n");
    const { code, stdout } = await under(files, line);
    assert.deepEqual([code, stdout], [125, ""]);
  });
  await t.step({
    name: "can turn off prompts",
    ignore: terminalMissing(),
    async fn() {
      const bounds = (prompts: boolean) => policy({ prompts, rules: [] });
      const line = `krew-wasm run --allow-cluster=none tool -- ${remove.replace("kubectl-tool ", "")}`;
      const asked = await atTerminal(product, namespaceLine(bounds(true), line), [["[n]o", "n\r"]]);
      assert.match(asked.text, /a plugin asks/);
      const silent = await atTerminal(product, namespaceLine(bounds(false), line), []);
      assert.doesNotMatch(silent.text, /a plugin asks/);
      assert.match(silent.text, /403/);
    },
  });
  await t.step("can record each request, whatever the environment says", async () => {
    const get = `kubectl-tool request get ${api.server}/version '' >/dev/null`;
    await under(policy({ rules: [] }), get);
    assert.doesNotMatch((await product.run("log", "-o", "json")).stdout, /"request"/);
    await under(policy({ record: "requests" }), `KREW_WASM_LOG=none ${get}`);
    assert.match((await product.run("log", "-o", "json")).stdout, /"path": ?"\/version"/);
  });
  await t.step(
    "an unreadable, invalid or untrusted file prevents runs and pulls",
    async () => {
      const fine = { rules: [] };
      const cases: Record<string, [prepare: string, words: RegExp]> = {
        "no YAML": [policy("rules: ["), /it is not YAML/],
        "nothing in it": [policy(""), /it is not an object/],
        "an unknown field": [policy({ rulez: [] }), /rulez is not known/],
        "an unknown word": [policy({ record: "all" }), /record is not "denials" or "requests"/],
        "a directory": [`mkdir -p ${PATH}`, /it is a directory/],
        "too large": [
          policy(fine, `head -c 1100000 /dev/zero | tr '\\0' ' ' >>${PATH}`),
          /larger than 1 MiB/,
        ],
        "others may write to it": [
          policy(fine, `chmod 666 ${PATH}`),
          /may be changed by others than root \(mode 666\)/,
        ],
        "a group may write to it": [policy(fine, `chmod 664 ${PATH}`), /mode 664/],
        "another user's": [policy(fine, `chown 1000 ${PATH}`), /belongs to the user 1000/],
        "in a directory of others": [
          policy(fine, "chmod 777 /etc/krew-wasm"),
          /krew-wasm may be changed by others/,
        ],
        "in a directory of another user's": [policy(fine, "chown 1000 /etc/krew-wasm"), /the user 1000/],
        "a link to what others may change": [
          policy(fine, `mv ${PATH} /etc/real; chmod 666 /etc/real; ln -s /etc/real ${PATH}`),
          /mode 666/,
        ],
        "a link of another user's": [
          policy(fine, `mv ${PATH} /etc/real; ln -s /etc/real ${PATH}; chown -h 1000 ${PATH}`),
          /the user 1000/,
        ],
        "a link to nowhere": [`mkdir /etc/krew-wasm; ln -s nowhere ${PATH}`, /leads nowhere/],
        "a directory that is a link to nowhere": ["ln -s nowhere /etc/krew-wasm", /leads nowhere/],
        "a directory that is a link to another user's": [
          "mkdir /etc/real; chown 1000 /etc/real; ln -s real /etc/krew-wasm",
          /krew-wasm belongs to the user 1000/,
        ],
        "a directory that is a link to where others may put another": [
          "mkdir -p /etc/open/real; chmod 777 /etc/open; ln -s open/real /etc/krew-wasm",
          /\/etc\/open may be changed by others/,
        ],
        "a directory that is a file": ["echo >/etc/krew-wasm", /no directory/],
        "links in a circle": [`mkdir /etc/krew-wasm; ln -s policy.yaml ${PATH}`, /symbolic links/],
      };
      for (const [name, [prepare, words]] of Object.entries(cases)) {
        const run = await under(prepare, read);
        assert.deepEqual([run.code, run.stdout], [125, ""], `${name}: ${run.stderr}`);
        assert.match(run.stderr, words, name);
        assert.match(run.stderr, /policy \/etc\/krew-wasm\/policy\.yaml can't be used/, name);
      }
      const asked = registry.requests.length;
      const pull = await under(policy(fine, `chmod 666 ${PATH}`), `krew-wasm pull --force ${reference}`);
      assert.deepEqual([pull.code, registry.requests.length], [1, asked], pull.stderr);
    },
  );
  await t.step("follows a link of root's to a file of root's", async () => {
    const linked = policy({ registries: [] }, `mv ${PATH} /etc/real; ln -s /etc/real ${PATH}`);
    assert.equal((await under(linked, read)).code, 125);
    assert.equal(
      (await under(policy({ rules: [] }, `mv ${PATH} /etc/real; ln -s /etc/real ${PATH}`), read)).code,
      0,
    );
  });
  await t.step(
    "follows a link of root's to a directory, with or without a file",
    async () => {
      const linked = "mkdir /etc/real; ln -s real /etc/krew-wasm";
      assert.equal((await under(linked, read)).code, 0);
      const pulled = await under(linked, `krew-wasm pull --force ${reference}`);
      assert.equal(pulled.code, 0, pulled.stderr);
      const moved = "mv /etc/krew-wasm /etc/real; ln -s real /etc/krew-wasm";
      assert.equal((await under(policy({ registries: [] }, moved), read)).code, 125);
      assert.equal((await under(policy({ rules: [] }, moved), read)).code, 0);
    },
  );
  await t.step("leaves nothing on the machine", () => {
    assert.equal(there(), before);
  });
});

testBinary("the user's paths, pipes and links do not extend the administrator's file", {
  ignore: clangMissing() || namespaceMissing(),
}, async (t) => {
  await using registry = TestRegistry.start();
  using product = Product.make();
  const { home } = product;
  const tool = await Deno.readFile(await buildFixture("attack-network"));
  await push(registry.origin, "acme/tool", "v1", makeArtifact(tool));
  const under = (prepare: string, line: string) => product.exec("unshare", namespaceArgs(prepare, line));

  await t.step("treats a registries.conf as the user's in any spelling of its path", async () => {
    const conf = '[[registry]]\nprefix = "good.example"\nlocation = "' + registry.host + '"\n';
    const rules = [{ match: "good.example/**" }, { match: "**", allow: false }];
    const around = `/etc/containers/registries.conf.d/../../..${home}`;
    const own = (more = ":") => policy({ rules }, `mkdir -p /etc/containers/registries.conf.d; ${more}`);
    const theirs = (more = ":") => {
      const path = "/etc/containers/registries.conf";
      return own(`rm -f ${path}; printf %s ${shellQuoted(conf)} >${path}; ${more}`);
    };
    const pull = "krew-wasm pull -q --force good.example/acme/tool:v1";
    for (const directory of [".config", "xdg"]) {
      Deno.mkdirSync(`${home}/${directory}/containers`, { recursive: true });
      Deno.writeTextFileSync(`${home}/${directory}/containers/registries.conf`, conf);
    }
    // Moves links of the machine away from the test's paths.
    const prepare = (each: string) => each.replace("mkdir -p", "rm -rf /etc/containers; mkdir -p");
    for (
      const line of [
        `XDG_CONFIG_HOME=${home}/xdg ${pull}`,
        `XDG_CONFIG_HOME=${around}/xdg ${pull}`,
        `HOME=${around} KREW_WASM_ROOT=${home}/.krew-wasm ${pull}`,
        `CONTAINERS_REGISTRIES_CONF=${around}/xdg/containers/registries.conf ${pull}`,
      ]
    ) {
      const { code, stderr } = await under(prepare(own()), line);
      assert.equal(code, 1, line);
      assert.match(stderr, /a mirror that the user's own files set up for good\.example/, line);
    }
    Deno.removeSync(`${home}/.config`, { recursive: true });
    Deno.removeSync(`${home}/xdg`, { recursive: true });
    assert.equal((await under(prepare(theirs()), pull)).code, 0);
    const open = await under(prepare(theirs("chmod 666 /etc/containers/registries.conf")), pull);
    assert.equal(open.code, 1);
    assert.match(open.stderr, /a mirror that the user's own files set up/);
  });

  await t.step("does not run a pipe as the approved file that replaces it", async () => {
    Deno.mkdirSync(`${home}/approved`);
    Deno.writeFileSync(`${home}/approved/ok.wasm`, tool);
    Deno.writeFileSync(`${home}/other.wasm`, tool);
    const rules = [{ match: `file://${home}/approved/**` }, { match: "**", allow: false }];
    const run = (path: string) => `krew-wasm run --no-prompt ${path} print ran`;
    assert.equal((await under(policy({ rules }), run(`${home}/approved/ok.wasm`))).stdout, "ran\n");
    assert.equal((await under(policy({ rules }), run(`${home}/other.wasm`))).code, 125);
    // Opening the pipe lets the shell at its other end continue. It replaces the pipe by the link before it writes.
    const swap = [
      `cd ${home}`,
      "mkfifo pipe",
      "(exec 3>pipe; ln -s approved/ok.wasm link; mv link pipe; cat other.wasm >&3) 2>/dev/null &",
      "writer=$!",
      run("./pipe"),
      "code=$?; kill $writer 2>/dev/null; wait; exit $code",
    ].join("\n");
    const { code, stdout } = await under(policy({ rules }), swap);
    assert.deepEqual([code, stdout], [125, ""]);
  });

  await t.step("a bound does not follow the user's link", async () => {
    const rules = [{ match: "**", maximum: { read: ["~/src"] } }];
    Deno.writeTextFileSync(`${home}/secret`, "secret");
    const read = (path: string) =>
      `krew-wasm run --no-prompt --allow-read=${home} ${home}/other.wasm read ${home}/${path}`;
    for (const target of ["/", home, "."]) {
      Deno.symlinkSync(target, `${home}/src`);
      assert.equal((await under(policy({ rules }), read("secret"))).stdout, "ENOENT\n", target);
      Deno.removeSync(`${home}/src`);
    }
    Deno.mkdirSync(`${home}/src`);
    Deno.writeTextFileSync(`${home}/src/file`, "granted");
    assert.equal((await under(policy({ rules }), read("src/file"))).stdout, "granted\n");
    assert.equal((await under(policy({ rules }), read("secret"))).stdout, "ENOENT\n");
  });
});
