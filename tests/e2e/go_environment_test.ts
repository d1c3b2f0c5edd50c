/** What Go programs expect around them: time zones, the user, the machine's name, ~/.kube/cache. */

import assert from "node:assert/strict";
import { canBuildGo } from "../../scripts/fixtures.ts";
import { goVariables } from "../support/go_plugin.ts";
import { Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";

const PROGRAM = `package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"path/filepath"
	"time"
)

func main() {
	switch os.Args[1] {
	case "same":
		home, err := os.UserHomeDir()
		fmt.Println(home, err)
		me, err := user.Current()
		fmt.Println(me.Username, me.HomeDir, err)
		fmt.Println(os.Hostname())
		fmt.Println(time.Unix(0, 0).Zone())
		fmt.Println(time.Unix(0, 0).Format(time.RFC3339))
		tokyo, err := time.LoadLocation("Asia/Tokyo")
		fmt.Println(tokyo, err)
		_, err = time.LoadLocation("No/Such")
		fmt.Println(err)
		file, err := os.CreateTemp("", "x")
		fmt.Println(file != nil, err, os.Getpid() > 0)
		cache := filepath.Join(home, ".kube", "cache", "discovery", "server")
		fmt.Println(os.MkdirAll(cache, 0o750))
		content, err := os.ReadFile(filepath.Join(cache, "api.json"))
		fmt.Println(string(content), err != nil)
		fmt.Println(os.WriteFile(filepath.Join(cache, "api.json"), []byte("cached"), 0o600))
	case "programs":
		_, err := exec.LookPath("git")
		fmt.Println(err)
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}
`;

function write(product: Product, more: Readonly<Record<string, string>> = {}): string {
  const directory = `${product.home}/around`;
  Deno.mkdirSync(directory);
  const files = { "go.mod": "module example.com/around\n\ngo 1.24\n", "main.go": PROGRAM, ...more };
  for (const [name, text] of Object.entries(files)) Deno.writeTextFileSync(`${directory}/${name}`, text);
  return directory;
}

testBinary("a Go program finds what it expects around it", { ignore: !canBuildGo() }, async () => {
  using product = Product.make();
  const env = await goVariables();
  const cwd = write(product);
  const plugin = `${product.home}/kubectl-around.wasm`;
  const built = await product.exec(product.command, ["build", ".", "-o", plugin], { cwd, env });
  assert.equal(built.code, 0, built.stderr);
  const native = `${product.home}/around-native`;
  const compiled = await product.exec("go", ["build", "-o", native, "."], {
    cwd,
    env: { ...env, CGO_ENABLED: "0" },
  });
  assert.equal(compiled.code, 0, compiled.stderr);
  for (
    const TZ of [
      undefined,
      "",
      "Europe/Berlin",
      ":America/New_York",
      "/usr/share/zoneinfo/Asia/Kolkata",
      "No/Such",
    ]
  ) {
    // Without USER and /etc/passwd, the home directory names the user; natively /etc/passwd does.
    const variables = { USER: "root", ...(TZ === undefined ? {} : { TZ }) };
    Deno.mkdirSync(`${product.home}/tmp`, { recursive: true });
    const own = await product.exec(product.command, ["run", plugin, "same"], { env: variables });
    const theirs = await product.exec(native, ["same"], { env: variables });
    const user = /^root .*\n/m;
    assert.match(own.stdout, new RegExp(`^root ${product.home} <nil>$`, "m"));
    assert.equal(own.stdout.replace(user, ""), theirs.stdout.replace(user, ""), TZ);
    assert.deepEqual([own.code, own.stderr], [0, ""]);
    Deno.removeSync(`${product.home}/.kube`, { recursive: true });
  }
  const programs = await product.exec(product.command, ["run", plugin, "programs"]);
  assert.deepEqual([programs.code, programs.stderr], [0, ""]);
  assert.match(programs.stdout, /^exec: "git": .*plugins can't start programs/);
});

testBinary("an interrupted build leaves no temporary files, and ends by the signal", {
  ignore: !canBuildGo(),
}, async () => {
  using product = Product.make();
  const cwd = write(product, { "slow.go": 'package main\n\nimport _ "net/http"\n' });
  const temporary = `${product.home}/tmp`;
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.mkdirSync(temporary);
    const env = { ...await goVariables(), TMPDIR: temporary, GOCACHE: `${product.home}/cache-${signal}` };
    const child = product.start(product.command, ["build", ".", "-o", "x.wasm"], {
      cwd,
      env,
      stderr: "null",
    });
    const isBuilding = () =>
      [...Deno.readDirSync(temporary)].some(({ name }) => name.startsWith("krew-wasm-build-"));
    while (!isBuilding()) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill(signal);
    await child.stdin.close();
    await child.stdout.cancel();
    assert.equal((await child.status).signal, signal);
    const left = [...Deno.readDirSync(temporary)].map(({ name }) => name).filter((name) =>
      name.startsWith("krew-")
    );
    assert.deepEqual(left, [], signal);
    Deno.removeSync(temporary, { recursive: true });
  }
});
