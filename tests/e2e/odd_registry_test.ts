/** Real registries with their deviations from the specification, from the view of the binary's user. */

import assert from "node:assert/strict";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { type Oddities, oddRegistry } from "../support/odd_registry.ts";
import { Product } from "../support/product.ts";
import { makeExiting } from "../support/store.ts";
import { testBinary } from "../support/test_binary.ts";

const WASM = makeExiting(7);
const UTF16 = (text: string) => {
  const bytes = new Uint8Array(2 + 2 * text.length);
  const view = new DataView(bytes.buffer);
  for (const [at, character] of ["\ufeff", ...text].entries()) {
    view.setUint16(2 * at, character.charCodeAt(0), true);
  }
  return bytes;
};

/** A module of five MiB, filled by a custom section and pushed as a stream. */
function makeLarge(): Uint8Array<ArrayBuffer> {
  const size = 5 << 20;
  const leb = [0, 7, 14, 21].map((shift, index) => (size >> shift & 0x7f) | (index < 3 ? 0x80 : 0));
  const section = Uint8Array.from([0, ...leb, 1, 0x78]);
  const large = new Uint8Array(WASM.length + 5 + size);
  large.set(WASM);
  large.set(section, WASM.length);
  return large;
}

/** A product with `small.wasm` and `large.wasm`, and a registry. */
function setUp(odd: Oddities) {
  const product = Product.make();
  const registry = oddRegistry(odd);
  Deno.writeFileSync(`${product.home}/small.wasm`, WASM);
  Deno.writeFileSync(`${product.home}/large.wasm`, makeLarge());
  return {
    product,
    registry,
    async [Symbol.asyncDispose]() {
      product[Symbol.dispose]();
      await registry[Symbol.asyncDispose]();
    },
  };
}

testBinary(
  "pushes, lists, inspects, pulls and upgrades at odd registries",
  async () => {
    const oddities: Oddities[] = [
      {},
      { startStatus: 201, patchStatus: 201, putStatus: 200, manifestStatus: 204 },
      { patchStatus: 204, putStatus: 204, patchWithoutLocation: true, digestTwice: true },
      { patchWithoutLocation: true, putStatus: 202, manifestStatus: 202 },
      { signedUploads: true, headStatus: 405 },
      { headAtStorage: true, mountStatus: 405 },
      { headStatus: 403, mountStatus: 500 },
      { headStatus: 404, tokens: { scopesStatus: 400 }, pages: "empty" },
      { headStatus: 404, tokens: { scopesStatus: 403 }, link: "http" },
    ];
    for (const odd of oddities) {
      await using it = setUp(odd);
      const { product, registry } = it;
      const done = async (...args: string[]) => {
        const { code, stdout, stderr } = await product.run(...args);
        assert.equal(code, 0, `${JSON.stringify(odd)}: ${args.join(" ")}: ${stderr}`);
        return stdout;
      };
      await done("push", "large.wasm", `${registry.host}/acme/foo:v1`);
      await done("pull", `${registry.host}/acme/foo:v1`);
      // The store has the bytes of acme/foo, so push tries a mount.
      const other = await done("push", "large.wasm", `${registry.host}/acme/bar:v1`);
      const mounts = odd.headStatus !== undefined && odd.mountStatus === undefined;
      assert.equal(/mounted/.test(other), mounts, `${JSON.stringify(odd)}: ${other}`);
      assert.equal(await done("tags", `${registry.host}/acme/foo`), "v1\n");
      await done("inspect", `${registry.host}/acme/bar:v1`);
      await done("push", "small.wasm", `${registry.host}/acme/foo:v1.1.0`);
      assert.match(await done("outdated"), /^foo .* available +v1\.1\.0 /m);
      assert.match(await done("upgrade"), /^Upgraded foo /);
      assert.equal((await product.exec(`${product.store}/bin/kubectl-foo`, [])).code, 7);
      assert.match((await product.run("outdated")).stderr, /^All plugins are current$/m);
    }
  },
);

testBinary(
  "uses odd token servers and gateways, with and without a login",
  async () => {
    const user = { username: "me", password: "pa:ss" };
    const both = (token: string) => ({ token: "", access_token: token });
    const kinds: NonNullable<Oddities["tokens"]>[] = [
      { form: both },
      { uses: 1, expired: 'Basic realm="r"' },
      { renamed: { prefix: "docker-local/", refusedBy: "token server" } },
      { user, renamed: { prefix: "docker-local/", refusedBy: "registry" } },
      { user, uses: 2, expired: "" },
    ];
    for (const tokens of kinds) {
      await using it = setUp({ tokens });
      const { product, registry } = it;
      const done = async (...args: string[]) => {
        const { code, stderr } = await product.run(...args);
        assert.equal(code, 0, `${JSON.stringify(tokens)}: ${args.join(" ")}: ${stderr}`);
      };
      const reference = `${registry.host}/acme/foo:v1`;
      if (tokens.user) {
        const args = ["login", registry.host, "-u", "me", "--password-stdin"];
        const login = await product.exec(product.command, args, { stdin: "pa:ss" });
        assert.equal(login.code, 0, login.stderr);
      }
      await done("push", "small.wasm", reference);
      await done("pull", reference);
      await done("inspect", reference);
      await done("tags", `${registry.host}/acme/foo`);
      await done("outdated");
      if (!tokens.user) continue;
      await done("logout", registry.host);
      const { code, stderr } = await product.run("inspect", reference);
      assert.equal(code, 1);
      assert.match(stderr, /the token server \S+ wants credentials for it \(401\)\nhint: krew-wasm login/);
    }
    for (
      const [status, words] of [[403, /forbids it \(403\)/], [
        404,
        /the token server \S+ answered 404/,
      ]] as const
    ) {
      await using it = setUp({ tokens: { status } });
      const { code, stderr } = await it.product.run("pull", `${it.registry.host}/acme/foo:v1`);
      assert.equal(code, 1);
      assert.match(stderr, words);
      assert.doesNotMatch(stderr, /the tag|credentials/);
    }
  },
);

testBinary(
  "pulls a public plugin with broken credential files, and warns",
  async () => {
    const { product, registry, ...it } = setUp({ tokens: {} });
    await using _ = it;
    const reference = `${registry.host}/acme/foo:v1`;
    assert.equal((await product.run("push", "small.wasm", reference)).code, 0);
    const docker = `${product.home}/.docker`;
    Deno.mkdirSync(docker);
    const problems: [string | undefined, RegExp][] = [
      [
        '{"credsStore":"nobody-has-this"}',
        /^warning: .*docker-credential-nobody-has-this" is not installed$/m,
      ],
      ['{"credsStore":"fails"}', /^warning: .*docker-credential-fails" failed: no keychain$/m],
      [
        `{"auths":{"${registry.host}":{"auth":"!"}}}`,
        /^warning: auths\["\S+"\].auth in "\S+" is malformed$/m,
      ],
      ["{broken", /^warning: "\S+config\.json" is not a JSON object$/m],
      [undefined, /^warning: Cannot read "\S+config\.json": it is a directory$/m],
    ];
    Deno.writeTextFileSync(
      `${product.home}/bin/docker-credential-fails`,
      "#!/bin/sh\necho no keychain; exit 1\n",
      {
        mode: 0o755,
      },
    );
    for (const [config, warning] of problems) {
      if (config === undefined) {
        Deno.removeSync(`${docker}/config.json`);
        Deno.mkdirSync(`${docker}/config.json`);
      } else Deno.writeTextFileSync(`${docker}/config.json`, config);
      for (
        const args of [["pull", "-f", reference], ["pull", "-q", "-f", reference], [
          "tags",
          reference.slice(0, -3),
        ]]
      ) {
        const { code, stderr } = await product.run(...args);
        assert.equal(code, 0, `${config}: ${stderr}`);
        assert.equal(stderr.match(/^warning: /gm)?.length, 1, stderr);
        assert.match(stderr, warning);
      }
    }
  },
);

testBinary(
  "finds logins of docker and podman, and logout removes them",
  async () => {
    const user = { username: "me", password: "pa:ss" };
    const { product, registry, ...it } = setUp({ tokens: { user } });
    await using _ = it;
    const reference = `${registry.host}/acme/foo:v1`;
    const auth = { auth: btoa("me:pa:ss") };
    const docker = ".docker/config.json";
    const podman = ".config/containers/auth.json";
    const kept: [path: string, auths: unknown, encode?: (text: string) => Uint8Array][] = [
      [podman, { [registry.host]: auth }],
      [docker, { [`https://${registry.host}/v2/`]: auth }],
      [docker, { [`http://${registry.host}/`]: user }],
      [docker, { [`${registry.host}/v1/`]: auth }],
      [docker, { [registry.host]: auth }, (text) => new TextEncoder().encode(`\ufeff${text}`)],
      [docker, { [registry.host]: auth }, UTF16],
    ];
    for (const [path, auths, encode = (text: string) => new TextEncoder().encode(text)] of kept) {
      const file = `${product.home}/${path}`;
      Deno.mkdirSync(file.slice(0, file.lastIndexOf("/")), { recursive: true });
      Deno.writeFileSync(file, encode(JSON.stringify({ auths, other: 1 })));
      const pushed = await product.run("push", "small.wasm", reference);
      assert.equal(pushed.code, 0, `${JSON.stringify(auths)}: ${pushed.stderr}`);
      assert.equal((await product.run("pull", "-f", reference)).code, 0);
      const { code, stderr } = await product.run("logout", registry.host);
      assert.equal(code, 0, stderr);
      assert.deepEqual(JSON.parse(Deno.readTextFileSync(file)), { auths: {}, other: 1 });
      assert.equal((await product.run("inspect", reference)).code, 1);
      Deno.removeSync(file);
    }
  },
);

testBinary("outdated and upgrade say that tags could not be read, and exit with 1", async () => {
  const cases: [Oddities, RegExp][] = [
    [
      { tagsStatus: 403 },
      /^error: Cannot list the tags of "\S+\/acme\/foo": the registry forbids it \(403\)/m,
    ],
    [{ tagsStatus: 401 }, /^error: Cannot list the tags of .*credentials/m],
    [{ secondPageStatus: 403 }, /^error: Cannot list the tags of .*forbids it/m],
    [{ secondPageStatus: 404 }, /^error: Cannot list the tags of .*no such (?:thing|repository) \(404\)/m],
    [{ link: "unreadable" }, /^error: Cannot list the tags of .*a Link header that can't be read/m],
    [{ link: "elsewhere" }, /^error: Cannot list the tags of .*elsewhere\.invalid", another host/m],
    [{ pages: "circle" }, /^error: Cannot list the tags of .*in a circle/m],
  ];
  for (const [odd, words] of cases) {
    await using it = setUp(odd);
    const { product, registry } = it;
    registry.pageSize = 1;
    for (const tag of ["v1", "v1.2.3"]) await push(registry.origin, "acme/foo", tag, makeArtifact(WASM));
    assert.equal((await product.run("pull", `${registry.host}/acme/foo:v1`)).code, 0);
    for (const command of ["outdated", "upgrade"]) {
      const { code, stdout, stderr } = await product.run(command);
      assert.equal(code, 1, `${command} ${JSON.stringify(odd)}: ${stdout}${stderr}`);
      assert.match(stderr, words);
      assert.doesNotMatch(stdout + stderr, /current/);
    }
    assert.equal((await product.run("pull", "-f", `${registry.host}/acme/foo:v1.2.3`)).code, 0);
    const pinned = await product.run("outdated");
    assert.deepEqual([pinned.code, pinned.stdout], [1, ""]);
    assert.match(pinned.stderr, /^error: Newer versions of "foo" can't be seen: cannot list the tags/);
    assert.deepEqual((await product.run("upgrade")).stdout, "All plugins are current\n");
  }
  await using it = setUp({ tagsStatus: 404 });
  await push(it.registry.origin, "acme/foo", "v1", makeArtifact(WASM));
  assert.equal((await it.product.run("pull", `${it.registry.host}/acme/foo:v1`)).code, 0);
  const { code, stderr } = await it.product.run("outdated");
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^warning: newer versions of "foo" can't be seen: /);
});
