import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { wrongPackages } from "../scripts/packages.ts";

/** The packages in the binary. */

const root = fileURLToPath(new URL("..", import.meta.url));

Deno.test("the binary's packages match the lock (else: deno task packages)", async () => {
  assert.deepEqual(await wrongPackages(), []);
});

Deno.test("the record has every package that krew-wasm imports", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", "main.ts"],
    cwd: root,
  }).output();
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as {
    modules: { kind?: string; specifier: string }[];
  };
  const imported = new Set(
    modules.filter(({ kind }) => kind === "npm").map(({ specifier }) =>
      /^npm:\/(@?[^@]+@[^/]+)/.exec(specifier)![1]!
    ),
  );
  assert.ok(imported.size > 8);
  const { packages } = JSON.parse(Deno.readTextFileSync(`${root}scripts/packages.json`)) as {
    packages: Record<string, unknown>;
  };
  for (const id of imported) assert.ok(Object.hasOwn(packages, id), id);
});

Deno.test("the check reports a package that was changed or is not the lock's", async () => {
  const copy = await Deno.makeTempDir();
  try {
    const record = JSON.parse(Deno.readTextFileSync(`${root}scripts/packages.json`)) as {
      packages: Record<string, { integrity: string }>;
    };
    Deno.mkdirSync(`${copy}/scripts`);
    Deno.copyFileSync(`${root}scripts/packages.json`, `${copy}/scripts/packages.json`);
    Deno.copyFileSync(`${root}deno.lock`, `${copy}/deno.lock`);
    for (const id of Object.keys(record.packages)) {
      const directory = `node_modules/.deno/${id.replace("/", "+")}/node_modules`;
      copyAll(`${root}${directory}`, `${copy}/${directory}`, id.replace(/(?<=.)@.*$/, ""));
    }
    assert.deepEqual(await wrongPackages(`${copy}/`), []);
    const yaml = Object.keys(record.packages).find((id) => id.startsWith("yaml@"))!;
    const inside = `${copy}/node_modules/.deno/${yaml}/node_modules/yaml`;
    const file = `${inside}/browser/index.js`;
    const before = Deno.readTextFileSync(file);
    Deno.writeTextFileSync(file, `${before}// changed\n`);
    assert.match((await wrongPackages(`${copy}/`)).join(), /another yaml@[\d.]+ than the registry/);
    Deno.writeTextFileSync(file, before);
    Deno.writeTextFileSync(`${inside}/browser/more.js`, "");
    assert.match((await wrongPackages(`${copy}/`)).join(), /another yaml@/);
    Deno.removeSync(`${inside}/browser/more.js`);
    assert.deepEqual(await wrongPackages(`${copy}/`), []);
    const { integrity } = record.packages[yaml]!;
    const lock = Deno.readTextFileSync(`${copy}/deno.lock`);
    Deno.writeTextFileSync(`${copy}/deno.lock`, lock.replace(integrity, "sha512-another"));
    assert.match(
      (await wrongPackages(`${copy}/`)).join(),
      /yaml@[\d.]+ is not recorded with deno\.lock's integrity/,
    );
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
});

Deno.test("the build refuses an esbuild that is not the lock's", async () => {
  const dir = await Deno.makeTempDir();
  const place = () =>
    new Deno.Command(Deno.execPath(), {
      args: [
        ...["eval", "--no-lock"],
        `const { placeEsbuild } = await import(${JSON.stringify(`file://${root}scripts/packages.ts`)});
         const check = await placeEsbuild(); await check();`,
      ],
      env: { DENO_DIR: dir },
    }).output();
  try {
    assert.ok((await place()).success);
    const placed = [...Deno.readDirSync(`${dir}/dl`)].map(({ name }) => name);
    assert.equal(placed.length, 2);
    const [{ name } = { name: "" }] = [...Deno.readDirSync(`${dir}/dl/${placed[0]}`)];
    Deno.writeTextFileSync(`${dir}/dl/${placed[0]}/${name}`, "#!/bin/sh\n");
    const { success, stderr } = await place();
    assert.ok(!success);
    assert.match(new TextDecoder().decode(stderr), /is not the esbuild/);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("all files name the same Deno for releases", () => {
  const read = (path: string) => Deno.readTextFileSync(`${root}${path}`);
  const { dependencies: { deno } } = JSON.parse(read(".ci/deno/package.json")) as {
    dependencies: { deno: string };
  };
  assert.match(deno, /^\d+\.\d+\.\d+$/);
  for (
    const path of [".github/workflows/ci.yml", ".github/workflows/fuzz.yml", ".ci/run", "CONTRIBUTING.md"]
  ) {
    const versions = [...read(path).matchAll(/\bdeno@(\d[\d.]*)/g)].map(([, version]) => version);
    assert.ok(versions.length > 0 && versions.every((version) => version === deno), `${path}: ${versions}`);
  }
  assert.doesNotMatch(read(".github/workflows/release.yml"), /deno@|uses: [^\n]*@v\d/);
  const lock = JSON.parse(read(".ci/deno/package-lock.json")) as {
    packages: Record<string, { version?: string; integrity?: string }>;
  };
  for (const [name, { version, integrity }] of Object.entries(lock.packages)) {
    if (name !== "") assert.ok(version === deno && integrity?.startsWith("sha512-"), name);
  }
});

function copyAll(from: string, to: string, name: string): void {
  Deno.mkdirSync(`${to}/${name}`, { recursive: true });
  for (const entry of Deno.readDirSync(`${from}/${name}`)) {
    if (entry.isDirectory) copyAll(`${from}/${name}`, `${to}/${name}`, entry.name);
    else Deno.copyFileSync(`${from}/${name}/${entry.name}`, `${to}/${name}/${entry.name}`);
  }
}
