/**
 * The Windows binary under Wine (tests/support/wine.sh): its files, whose names ignore case.
 * `KREW_WASM_WINDOWS_BINARY` names it: `deno task compile --target x86_64-pc-windows-msvc --output
 * dist/krew-wasm.exe`.
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { buildFixture } from "../../scripts/fixtures.ts";
import { makeArtifact, push } from "../../scripts/servers/artifacts.ts";
import { clangMissing } from "../support/product.ts";
import { TestRegistry } from "../../scripts/servers/oci_registry.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { windowsBinary, WINE } from "../support/wine.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const binary = windowsBinary();

/** A separate machine. */
class Machine {
  readonly #directory = temporaryDirectory();
  readonly #program = `${this.#directory}/krew-wasm.exe`;

  constructor(binary: string) {
    Deno.copyFileSync(binary.startsWith("/") ? binary : `${root}${binary}`, this.#program);
  }

  run(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    return this.#run(this.#program, ...args);
  }

  /** The 8.3 names, as old programs see them. */
  async shortNames(windows: string, names: readonly string[]): Promise<string[]> {
    const { stdout } = await this.#run("cmd", "/c", `dir /a /x ${windows.replaceAll("/", "\\")}`);
    return names.map((name) => {
      const line = stdout.split("\n").find((line) => line.endsWith(` ${name}`));
      const [, short] = /(\S*~\S*) +\S+$/.exec(line ?? "") ?? [];
      return short ?? assert.fail(`no short name of ${name}: ${stdout}`);
    });
  }

  async #run(program: string, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const { code, stdout, stderr } = await new Deno.Command(WINE, {
      args: [this.#directory, program, ...args],
      stdin: "null",
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes).replaceAll("\r\n", "\n");
    return { code, stdout: text(stdout), stderr: text(stderr) };
  }

  /** The user's home, in this system's spelling and in Windows'. */
  home(): { readonly path: string; readonly windows: string } {
    const users = `${this.#directory}/prefix/drive_c/users`;
    const [user] = [...Deno.readDirSync(users)].filter(({ name }) => name !== "Public");
    return { path: `${users}/${user!.name}`, windows: `C:/users/${user!.name}` };
  }
}

Deno.test({
  name: "on Windows protected files stay protected in every spelling",
  ignore: binary === undefined || clangMissing(),
  async fn(t) {
    const machine = new Machine(binary!);
    await using registry = TestRegistry.start();
    await push(
      registry.origin,
      "plugins/attack",
      "v1",
      makeArtifact(await Deno.readFile(await buildFixture("attack"))),
    );
    const pulled = await machine.run("pull", `${registry.host}/plugins/attack:v1`);
    assert.equal(pulled.code, 0, pulled.stderr);
    const { path, windows } = machine.home();
    for (const name of [".kube", ".ssh", "work/sub"]) Deno.mkdirSync(`${path}/${name}`, { recursive: true });
    Deno.writeTextFileSync(`${path}/.ssh/id`, "s3cr3t");
    Deno.writeTextFileSync(`${path}/work/bait`, "bait");
    Deno.writeTextFileSync(
      `${path}/.kube/config`,
      JSON.stringify({ users: [{ name: "u", user: { token: "s3cr3t" } }] }),
    );
    const launcher = Deno.readTextFileSync(`${path}/.krew-wasm/bin/kubectl-attack.cmd`);
    const home = `/${windows}`;
    const attack = async (flags: readonly string[], lines: readonly string[]) => {
      const words = lines.flatMap((line) => [...line.split(" ").map((word) => word.replace("~", home)), ","]);
      const { code, stdout, stderr } = await machine.run(
        "run",
        "--no-prompt",
        ...flags,
        "attack",
        "--",
        ...words,
      );
      assert.ok(code < 2, stderr);
      assert.doesNotMatch(stdout + stderr, /s3cr3t/);
      return stdout.trim().split("\n");
    };
    const refused = async (flags: readonly string[], lines: readonly string[]) => {
      const answers = await attack(flags, lines);
      assert.equal(answers.length, lines.length, answers.join());
      answers.forEach((answer, at) =>
        assert.match(answer, /^E(?:PERM|ROFS|NOENT|ACCES|EXIST)$/, `${lines[at]}: ${answers}`)
      );
    };
    await t.step("the store, in any case", () =>
      refused(["--allow-home"], [
        "rename ~/.KREW-WASM ~/kw2",
        "rename ~/.krew-wasm/BIN ~/kw2",
        "write ~/.Krew-Wasm/bin/kubectl-attack.cmd evil",
        "write ~/.krew-wasm/BIN/KUBECTL-ATTACK.CMD evil",
        "create ~/.KREW-WASM/bin/kubectl-x.cmd evil",
        "write ~/.krew-wasm./bin/kubectl-attack.cmd evil",
        "write ~/.krew-wasm/bin/kubectl-attack.cmd. evil",
        "write ~/.krew-wasm/bin/kubectl-attack.cmd::$DATA evil",
        "rename ~/work/bait ~/.KREW-WASM/Bin/kubectl-attack.cmd",
        "link ~/.Krew-Wasm/bin/kubectl-attack.cmd ~/work/l",
      ]));
    await t.step("the kubeconfig and kubectl's other settings", () =>
      refused(["--allow-home"], [
        "rename ~/.KUBE ~/k2",
        "append ~/.KUBE/CONFIG x",
        "unlink ~/.Kube/Config",
        "rename ~/work/bait ~/.KUBE/CONFIG",
        "write ~/.KUBE/KubeRC x",
        "write ~/.kube/.KUBECONFIG x",
        "rename ~/work/sub ~/.DOCKER",
      ]));
    await t.step("short names", async () => {
      const [store, kube, ssh] = await machine.shortNames(windows, [".krew-wasm", ".kube", ".ssh"]);
      await refused(["--allow-home", `--deny-read=${windows}/.ssh`], [
        `rename ~/${store} ~/kw2`,
        `write ~/${store}/bin/kubectl-attack.cmd evil`,
        `create ~/${store!.toLowerCase()}/bin/kubectl-x.cmd evil`,
        `rename ~/${kube} ~/k2`,
        `append ~/${kube}/config x`,
        `read ~/${ssh}/id`,
        `list ~/${ssh}`,
        `rename ~/${ssh} ~/s2`,
      ]);
      await refused(["--allow-home", `--deny-read=${windows}/${ssh}`], [
        "read ~/.ssh/id",
        "rename ~/.ssh ~/s2",
      ]);
    });
    await t.step(
      "what is denied",
      () =>
        refused(
          ["--allow-home", `--deny-read=${windows.toLowerCase()}/.SSH`, `--deny-write=${windows}/WORK`],
          [
            "read ~/.ssh/id",
            "read ~/.SSH/ID",
            "list ~/.Ssh",
            "mkdir ~/.ssh",
            "rename ~/.SSH ~/s2",
            "write ~/work/BAIT x",
            "rename ~/Work ~/w2",
          ],
        ),
    );
    await t.step("its own files, in any case", async () => {
      assert.deepEqual(
        await attack(["--allow-home"], [
          "read ~/WORK/Bait",
          "write ~/work/NEW x",
          "read ~/Work/new",
          "unlink ~/work/New",
        ]),
        ["bait", "ok", "x", "ok"],
      );
    });
    await t.step("a granted path is not redirected", async () => {
      const flags = [`--allow-write=${windows}/work/bait`];
      await refused(flags, ["mkdir ~/work/bait", "symlink ../.ssh ~/work/bait"]);
      assert.deepEqual(
        await attack(flags, ["unlink ~/work/bait", "mkdir ~/work/bait", "symlink ../.ssh ~/work/bait"]),
        ["ok", "EPERM", "EPERM"],
      );
    });
    await t.step("risks", async () => {
      const flags = [
        "C:\\",
        "c:\\USERS",
        windows.replaceAll("/", "\\").toUpperCase(),
        `${windows}/.SSH`,
        "C:\\Windows",
      ];
      const { code, stdout, stderr } = await machine.run(
        "grants",
        "attack",
        ...flags.map((flag) => `--allow-read=${flag}`),
      );
      assert.equal(code, 0, stderr);
      const rows = stdout.split("\n").filter((line) => /\bread /.test(line));
      assert.equal(rows.length, flags.length, stdout);
      for (const row of rows) assert.match(row, / ! /);
    });
    assert.equal(Deno.readTextFileSync(`${path}/.krew-wasm/bin/kubectl-attack.cmd`), launcher);
  },
});
