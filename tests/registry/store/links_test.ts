import assert from "node:assert/strict";
import { stablePath } from "../../../cli/install/link_target.ts";
import {
  ownerOfLink,
  repairSelf,
  shellSelf,
  windowsLauncher,
  windowsSelf,
} from "../../../registry/store/links.ts";
import { namesIn, TestStore } from "../../support/store.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const windows = Deno.build.os === "windows";

Deno.test("one repair fixes all plugins after the binary moved", { ignore: windows }, async () => {
  await using store = TestStore.make();
  const { layout, directory } = store;
  for (const name of ["foo", "bar-baz"]) {
    await store.push(`acme/${name}:v1`);
    await store.install(`acme/${name}:v1`, { target: { kind: "binary", path: `${directory}/old` } });
  }
  const moved = { kind: "binary", path: `${directory}/new` } as const;
  Deno.writeTextFileSync(moved.path, "");
  assert.deepEqual(namesIn(layout.bin), ["krew-wasm", "kubectl-bar_baz", "kubectl-foo"]);
  assert.throws(() => Deno.statSync(layout.link("foo")), Deno.errors.NotFound);
  assert.equal(repairSelf(layout, () => moved), true);
  for (const name of ["foo", "bar-baz"]) assert.equal(Deno.realPathSync(layout.link(name)), moved.path);
  assert.equal(repairSelf(layout, () => assert.fail("there is nothing to repair")), false);
  assert.deepEqual(namesIn(layout.bin), ["krew-wasm", "kubectl-bar_baz", "kubectl-foo"]);
});

Deno.test(
  "repairSelf() does nothing without a store or beside somebody else's file",
  { ignore: windows },
  async () => {
    await using store = TestStore.make();
    const target = { kind: "binary", path: "/opt/krew-wasm" } as const;
    assert.equal(repairSelf(store.layout, () => target), false);
    Deno.mkdirSync(store.layout.bin, { recursive: true });
    Deno.writeTextFileSync(store.layout.self, "mine");
    assert.equal(repairSelf(store.layout, () => target), false);
    assert.equal(Deno.readTextFileSync(store.layout.self), "mine");
  },
);

Deno.test("stablePath() returns the name on PATH, which survives upgrades", { ignore: windows }, () => {
  const root = temporaryDirectory();
  Deno.mkdirSync(`${root}/Cellar/1.2`, { recursive: true });
  Deno.mkdirSync(`${root}/bin`);
  Deno.mkdirSync(`${root}/store/bin`, { recursive: true });
  const binary = `${root}/Cellar/1.2/krew-wasm`;
  Deno.writeTextFileSync(binary, "");
  Deno.symlinkSync(binary, `${root}/bin/krew-wasm`);
  Deno.symlinkSync(binary, `${root}/store/bin/krew-wasm`);
  const path = `relative::${root}/none:${root}/store/bin:${root}/bin/`;
  assert.equal(stablePath(binary, path, `${root}/store/bin`), `${root}/bin/krew-wasm`);
  assert.equal(stablePath(binary, "", `${root}/store/bin`), binary);
  Deno.removeSync(`${root}/bin/krew-wasm`);
  Deno.writeTextFileSync(`${root}/bin/krew-wasm`, "another");
  assert.equal(stablePath(binary, path, `${root}/store/bin`), binary);
  Deno.removeSync(root, { recursive: true });
});

Deno.test("recognizes older links and launchers as ours, but not other files", {
  ignore: windows,
}, async () => {
  await using store = TestStore.make();
  const { layout } = store;
  Deno.mkdirSync(layout.bin, { recursive: true });
  const cases: [text: string, owner: string][] = [
    ['#!/bin/sh\nexec krew-wasm run foo -- "$@" # made by krew-wasm\n', "us"],
    ["@rem # made by krew-wasm\r\n", "us"],
    ["#!/bin/sh\necho mine\n", "others"],
    ["", "others"],
  ];
  for (const [text, owner] of cases) {
    Deno.writeTextFileSync(`${layout.bin}/kubectl-x`, text);
    assert.equal(ownerOfLink(layout, `${layout.bin}/kubectl-x`), owner, text);
  }
  for (
    const [target, owner] of [
      ["krew-wasm", "us"],
      [layout.self, "us"],
      ["/bin/true", "others"],
      ["../x", "others"],
    ] as const
  ) {
    Deno.removeSync(`${layout.bin}/kubectl-x`);
    Deno.symlinkSync(target, `${layout.bin}/kubectl-x`);
    assert.equal(ownerOfLink(layout, `${layout.bin}/kubectl-x`), owner, target);
  }
  assert.equal(ownerOfLink(layout, `${layout.bin}/none`), "nobody");
});

Deno.test("on Windows only one .cmd file names the binary", () => {
  const begin = "@rem made by krew-wasm\r\n@setlocal DisableDelayedExpansion\r\n";
  assert.equal(
    windowsSelf(["C:\\Program Files\\100%\\krew-wasm.exe"]),
    `${begin}@"C:\\Program Files\\100%%\\krew-wasm.exe" %*\r\n`,
  );
  assert.equal(
    windowsSelf(["C:\\Users\\Jürgen & Co\\krew-wasm.exe"]),
    `${begin}@chcp 65001 >nul\r\n@"C:\\Users\\Jürgen & Co\\krew-wasm.exe" %*\r\n`,
    "a batch file is read in the console's code page",
  );
  assert.equal(
    windowsLauncher("foo-bar"),
    `${begin}@"%~dp0krew-wasm.cmd" run foo-bar -- %*\r\n`,
  );
  assert.equal(
    windowsLauncher("foo-bar", "__complete "),
    `${begin}@"%~dp0krew-wasm.cmd" run --no-prompt foo-bar -- __complete %*\r\n`,
  );
});

Deno.test("the launcher from source passes every argument unchanged", { ignore: windows }, () => {
  const directory = temporaryDirectory();
  const script = `${directory}/kubectl-foo_bar`;
  Deno.writeTextFileSync(script, shellSelf(["printf", "[%s]"]), { mode: 0o700 });
  const args = ["a b", "", "$x", "*", "--", '"'];
  const { stdout } = new Deno.Command(script, { args }).outputSync();
  assert.equal(
    new TextDecoder().decode(stdout),
    `[run][foo_bar][--]${args.map((arg) => `[${arg}]`).join("")}`,
  );
  Deno.removeSync(directory, { recursive: true });
});
