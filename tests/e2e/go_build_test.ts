/** `krew-wasm build`: a program as people write them does as a plugin what its native build does. */

import assert from "node:assert/strict";
import { canBuildGo } from "../../scripts/fixtures.ts";
import { TestApiServer } from "../../scripts/servers/api_server.ts";
import { buildGoPlugin, goPluginSource, goVariables } from "../support/go_plugin.ts";
import { Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";

const SOURCE = goPluginSource();

/** The files of a directory with what they hold. */
function filesOf(directory: string): Record<string, string> {
  return Object.fromEntries(
    [...Deno.readDirSync(directory)].map(({ name }) => [name, Deno.readTextFileSync(`${directory}/${name}`)]),
  );
}

/** A directory with files, below the product's home. */
function program(product: Product, name: string, files: Readonly<Record<string, string>>): string {
  const directory = `${product.home}/${name}`;
  Deno.mkdirSync(directory);
  const module = `module example.com/${name}\n\ngo 1.24\n`;
  for (const [file, text] of Object.entries({ "go.mod": module, ...files })) {
    Deno.writeTextFileSync(`${directory}/${file}`, text);
  }
  return directory;
}

testBinary("build: an unmodified client-go program does what its native build does", {
  ignore: !canBuildGo(),
}, async () => {
  await using api = await TestApiServer.start();
  api.add("pods", { apiVersion: "v1", kind: "Pod", metadata: { name: "web", namespace: "default" } });
  api.hook = (request, url) =>
    url.pathname.includes("/slow/")
      ? new Promise((resolve) => request.signal.addEventListener("abort", () => resolve(new Response())))
      : undefined;
  using product = Product.make();
  const before = filesOf(SOURCE);
  const { native, plugin, notes } = await buildGoPlugin(product, ["-ldflags", "-X main.version=v7"]);
  assert.match(notes, /imports os\/exec/);
  assert.deepEqual(filesOf(SOURCE), before);
  Deno.mkdirSync(`${product.home}/.kube`);
  Deno.writeTextFileSync(`${product.home}/.kube/config`, api.kubeconfig());
  const commands = [["version"], ["list"], ["get", "nosuch"], ["slow"], ["watch"]];
  for (const command of commands) {
    const own = await product.exec(plugin, command);
    assert.deepEqual(own, await product.exec(native, command), command.join(" "));
    assert.notEqual(own.stdout, "", command.join(" "));
  }
  // A client's own timeout is in the words. Which of its two timers comes first is chance, natively too.
  const timeout = await product.exec(plugin, ["timeout"]);
  assert.deepEqual([timeout.code, timeout.stdout], [1, "true\n"], timeout.stderr);
  assert.match(timeout.stderr, /\/slow\/": .*\(Client\.Timeout exceeded while awaiting headers\)\n$/);
  const config = JSON.parse(api.kubeconfig());
  config.clusters[0].cluster["tls-server-name"] = "other.test";
  Deno.writeTextFileSync(`${product.home}/.kube/config`, JSON.stringify(config));
  const mismatch = await product.exec(plugin, ["list"]);
  assert.match(mismatch.stderr, /x509: certificate is valid for .*, not other\.test\n/);
  assert.deepEqual(mismatch, await product.exec(native, ["list"]));
  Deno.writeTextFileSync(`${product.home}/.kube/config`, api.kubeconfig());
  const around = await product.exec(plugin, ["surroundings"]);
  assert.deepEqual(around, { code: 0, stdout: "false false\ntrue\ntrue\ntrue\ntrue\n", stderr: "true\n" });
  const other = await product.exec(plugin, ["fetch", "http://192.0.2.1/"]);
  assert.equal(other.code, 1);
  assert.match(
    other.stderr,
    /^error: Get "http:\/\/192\.0\.2\.1\/": dial tcp: .*plugins reach only the API server/,
  );

  // The port of a server that has gone refuses connections: programs know that by the errno, people by the words.
  const gone = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${gone.addr.port}`;
  gone.close();
  Deno.writeTextFileSync(`${product.home}/.kube/config`, api.kubeconfig({ server: url }));
  const refused = await product.exec(plugin, ["fetch", `${url}/version`]);
  assert.deepEqual(refused, await product.exec(native, ["fetch", `${url}/version`]));
});

testBinary("build: names what can't be built, and leaves the output as it was", {
  ignore: !canBuildGo(),
}, async () => {
  using product = Product.make();
  const env = await goVariables();
  const output = `${product.home}/out.wasm`;
  Deno.writeTextFileSync(output, "as it was");
  const main = (imported: string) => `package main\n\nimport _ "${imported}"\n\nfunc main() {}\n`;
  const cases: [name: string, files: Record<string, string>, expected: RegExp][] = [
    [
      "cgo",
      { "main.go": 'package main\n\nimport "C"\n\nfunc main() {}\n' },
      /example\.com\/cgo, needs C \(cgo\)/,
    ],
    ["library", { "x.go": "package library\n" }, /package library is no program/],
    [
      "missing",
      { "main.go": main("example.org/none") },
      /no required module provides package example\.org\/none/,
    ],
    ["broken", { "main.go": "package main\n\nfunc main() { none() }\n" }, /undefined: none/],
    [
      "windows",
      { "main_windows.go": "package main\n\nfunc main() {}\n" },
      /no files for WebAssembly or Linux/,
    ],
  ];
  for (const [name, files, expected] of cases) {
    const directory = program(product, name, files);
    const { code, stdout, stderr } = await product.exec(product.command, ["build", directory, "-o", output], {
      env,
    });
    assert.deepEqual({ code, stdout }, { code: 1, stdout: "" }, name);
    assert.match(stderr, expected);
    assert.equal(Deno.readTextFileSync(output), "as it was");
  }
});

testBinary("build: takes a package's files for Linux where those for WebAssembly lack names", {
  ignore: !canBuildGo(),
}, async () => {
  using product = Product.make();
  const env = await goVariables();
  const directory = program(product, "linux", {
    "main.go": "package main\n\nfunc main() { println(size()) }\n",
    "size_linux.go": 'package main\n\nimport "syscall"\n\nfunc size() int { return syscall.TIOCGWINSZ }\n',
    "other.go": "//go:build !linux\n\npackage main\n\nfunc size() int { return none }\n",
  });
  const built = await product.exec(product.command, ["build", "-o", "l.wasm"], { env, cwd: directory });
  assert.equal(built.code, 0, built.stderr);
  assert.match(built.stderr, /^example\.com\/linux does not build for WebAssembly as it is/m);
  assert.deepEqual(await product.exec(product.command, ["run", "./l.wasm"], { cwd: directory }), {
    code: 0,
    stdout: "",
    stderr: `${0x5413}\n`,
  });
});

const TERM = `require golang.org/x/term v0.45.0

require golang.org/x/sys v0.47.0 // indirect
`;

/** A program that needs a copy of a module, and prints a word of another. */
function asksTheTerminal(imported: string): string {
  return `package main

import (
	"fmt"

	"${imported}"
	"golang.org/x/term"
)

func main() { fmt.Println(other.Word, term.IsTerminal(1)) }
`;
}

testBinary("build: follows workspaces, modules, replacements and vendored packages", {
  ignore: !canBuildGo(),
}, async () => {
  using product = Product.make();
  const env = await goVariables();
  const sums = Deno.readTextFileSync(`${SOURCE}/go.sum`);
  program(product, "other", { "other.go": 'package other\n\nconst Word = "workspace"\n' });
  program(product, "replaced", { "other.go": 'package other\n\nconst Word = "replaced"\n' });
  const app = program(product, "app", { "main.go": asksTheTerminal("example.com/other"), "go.sum": sums });
  Deno.writeTextFileSync(`${app}/go.mod`, `module example.com/app\n\ngo 1.26.0\n\n${TERM}`);
  const workspace = `${product.home}/go.work`;
  const vendor = `${app}/vendor`;
  const output = `${product.home}/app.wasm`;
  const build = async (expected: string, variables: Record<string, string> = {}) => {
    const built = await product.exec(product.command, ["build", app, "-o", output], {
      env: { ...env, ...variables },
    });
    assert.equal(built.code, 0, built.stderr);
    const { stdout, stderr } = await product.run("run", output);
    assert.equal(stdout, `${expected} false\n`, stderr);
  };

  Deno.writeTextFileSync(workspace, "go 1.26.0\n\nuse (\n\t./app\n\t./other\n)\n");
  await build("workspace");

  Deno.writeTextFileSync(workspace, "go 1.26.0\n\nuse ./app\n\nreplace example.com/other => ./replaced\n");
  const required = `require example.com/other v1.0.0\n\n${TERM}`;
  Deno.writeTextFileSync(`${app}/go.mod`, `module example.com/app\n\ngo 1.26.0\n\n${required}`);
  await build("replaced");

  const replaced = `${required}\nreplace example.com/other => ../replaced\n`;
  Deno.writeTextFileSync(`${app}/go.mod`, `module example.com/app\n\ngo 1.26.0\n\n${replaced}`);
  await build("replaced", { GOWORK: "off" });

  const vendored = await product.exec("go", ["mod", "vendor"], { env: { ...env, GOWORK: "off" }, cwd: app });
  assert.equal(vendored.code, 0, vendored.stderr);
  Deno.writeTextFileSync(
    `${vendor}/example.com/other/other.go`,
    'package other\n\nconst Word = "vendored"\n',
  );
  await build("vendored", { GOWORK: "off" });
});

testBinary("build: says which Go is missing or too old", async () => {
  using product = Product.make();
  const directory = program(product, "old", { "main.go": "package main\n\nfunc main() {}\n" });
  const none = `${product.home}/none`;
  Deno.mkdirSync(none);
  const build = () => product.exec(product.command, ["build", directory], { env: { PATH: none } });
  const missing = await build();
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /^error: Cannot find go in PATH\nhint: install Go 1\.24 or later/);
  const env = { GOVERSION: "go1.21.0", GOROOT: "/x", GOFLAGS: "" };
  Deno.writeTextFileSync(`${none}/go`, `#!/bin/sh\necho '${JSON.stringify(env)}'\n`, { mode: 0o755 });
  const old = await build();
  assert.equal(old.code, 1);
  assert.match(old.stderr, /^error: Cannot build with go1\.21\.0: plugins need Go 1\.24 or later\n/);
});
