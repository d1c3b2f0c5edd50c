import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

Deno.test("the types in wit/generated match wit/ (else: deno task wit)", async () => {
  // A separate process, because jco's preview2-shim keeps a worker thread.
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", "--no-check", "scripts/wit.ts", "--check"],
    cwd: fileURLToPath(new URL("..", import.meta.url)),
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
});

Deno.test("README, docs and examples name the interface versions of wit/", () => {
  const root = new URL("..", import.meta.url);
  const read = (path: string) => Deno.readTextFileSync(new URL(path, root));
  const versions = new Map(["wit/kubernetes.wit", "wit/deps/terminal.wit"].map((path) => {
    const [, name, version] = /^package (krew-wasm:[a-z]+)@([\d.]+);/m.exec(read(path)) ?? [];
    return [name, version];
  }));
  const files = [
    "README.md",
    ...["docs", "docs/maintainers"].flatMap((directory) =>
      [...Deno.readDirSync(new URL(directory, root))].flatMap(({ name, isFile }) =>
        isFile ? `${directory}/${name}` : []
      )
    ),
  ];
  for (const { name } of Deno.readDirSync(new URL("examples", root))) {
    if (name.endsWith(".md")) continue;
    for (const file of Deno.readDirSync(new URL(`examples/${name}`, root))) {
      if (/\.(ts|md)$/.test(file.name)) files.push(`examples/${name}/${file.name}`);
    }
  }
  let seen = 0;
  for (const file of files) {
    for (const [, name, version] of read(file).matchAll(/(krew-wasm:[a-z]+)\/[a-z-]+@(\d+\.\d+\.\d+)/g)) {
      assert.equal(version, versions.get(name), `${file}: ${name}`);
      seen++;
    }
  }
  assert.ok(seen > 5);
});
