import assert from "node:assert/strict";
import { buildFixture } from "../../../scripts/fixtures.ts";
import type { Case, Group } from "../case.ts";
import type { Stage } from "../stage.ts";

const HOME = "--allow-home";

/** Makes `~/.kube` a link to a directory elsewhere, over several links, as stow does. */
const DOTFILES: Pick<Case, "prepare" | "cleanUp"> = {
  prepare({ home }) {
    Deno.mkdirSync(`${home}/dots/real`, { recursive: true });
    Deno.renameSync(`${home}/.kube`, `${home}/dots/real/kube`);
    Deno.symlinkSync("real/../real/kube", `${home}/dots/kube`);
    Deno.symlinkSync("dots/kube", `${home}/.kube`);
  },
  cleanUp({ home }) {
    Deno.removeSync(`${home}/.kube`);
    Deno.renameSync(`${home}/dots/real/kube`, `${home}/.kube`);
    Deno.removeSync(`${home}/dots`, { recursive: true });
  },
};

/** Removes a path of the home directory. */
function without(path: string): Pick<Case, "prepare" | "cleanUp"> {
  return {
    prepare: ({ home, outside }) => Deno.renameSync(`${home}/${path}`, `${outside}/aside`),
    cleanUp({ home, outside }) {
      try {
        Deno.removeSync(`${home}/${path}`, { recursive: true });
      } catch { /* nothing was made */ }
      Deno.renameSync(`${outside}/aside`, `${home}/${path}`);
    },
  };
}

/** A file of the plugin, to put in other places. */
const MINE = "$WORK/bait";

/** All operations that create something at a path. */
function planted(...paths: readonly string[]): string[] {
  return paths.flatMap((path) => [
    ...["write", path, "evil", ",", "create", path, "evil", ",", "rename", MINE, path, ","],
    ...["link", MINE, path, ",", "symlink", "work/bait", path, ","],
  ]).slice(0, -1);
}

/** The answers to operations on denied paths, for existing and missing files. */
async function sameAnswers(stage: Stage): Promise<string> {
  const granted = `${HOME} --deny-read=$HOME/.ssh --deny-read=$HOME/.netrc --deny-read=$HOME/none`;
  const attempts = (path: string) =>
    [
      ...["read X", "write X x", "create X x", "append X x", "list X", "stat X", "mkdir X", "rmdir X"],
      ...["unlink X", "readlink X", "touch X", "truncate X 0", "symlink a X", "rename $WORK/bait X"],
      ...[
        "rename X $WORK/y",
        "link $WORK/bait X",
        "link X $WORK/y",
        "rename $WORK/sub X",
        "stat X/",
        "stat X/.",
      ],
      ...["stat X/..", "read X/../work/bait", "read X/id", "mkdir X/d", "mkdir X/", "rmdir X/", "unlink X/"],
      ...["symlink a X/", "rename $WORK/sub X/", "create X/ x", "stat X/../none", "rename X X", "list X/.."],
    ].flatMap((line) => [...line.replaceAll("X", path).split(" "), ","]);
  const answers = [];
  for (const name of [".ssh", ".netrc", "none"]) {
    const { stdout } = await stage.attack("preview1", attempts(`$HOME/${name}`), { granted });
    answers.push(stdout);
  }
  return new Set(answers).size === 1 ? "the same answers" : answers.join(" / ");
}

/** Keeps parts of the store elsewhere, with a link to each. */
function keptElsewhere(...names: readonly string[]): Pick<Case, "prepare" | "cleanUp"> {
  return {
    prepare({ home, product }) {
      Deno.mkdirSync(`${home}/big`);
      for (const name of names) {
        Deno.renameSync(`${product.store}/${name}`, `${home}/big/${name}`);
        Deno.symlinkSync(`${home}/big/${name}`, `${product.store}/${name}`);
      }
    },
    cleanUp({ home, product }) {
      for (const name of names) {
        Deno.removeSync(`${product.store}/${name}`);
        Deno.renameSync(`${home}/big/${name}`, `${product.store}/${name}`);
      }
      Deno.removeSync(`${home}/big`, { recursive: true });
    },
  };
}

/** Files of the home, for one case. */
function withFiles(files: Readonly<Record<string, string>>): Pick<Case, "prepare" | "cleanUp"> {
  return {
    prepare(stage) {
      for (const [path, text] of Object.entries(files)) {
        const full = stage.expand(path);
        Deno.mkdirSync(full.slice(0, full.lastIndexOf("/")), { recursive: true });
        Deno.writeTextFileSync(full, stage.expand(text));
      }
    },
    cleanUp(stage) {
      for (const path of Object.keys(files)) Deno.removeSync(stage.expand(path));
    },
  };
}

/** Files that krew-wasm and kubectl obey, and denied files, by every path. */
export const PROTECTED: Group = {
  title: "files that krew-wasm and kubectl obey, and denied files, by other paths",
  cases: [
    {
      tries: "move a link on the way to the kubeconfig, to read its target",
      granted: HOME,
      ...DOTFILES,
      attack: [
        ...[
          "rename",
          "$HOME/.kube",
          "$WORK/k",
          ",",
          "unlink",
          "$HOME/.kube",
          ",",
          "rename",
          "$HOME/dots",
          "$WORK/k",
          ",",
        ],
        ...["rename", "$HOME/dots/kube", "$WORK/k", ",", "rename", "$HOME/dots/real", "$WORK/k", ","],
        ...["rename", "$HOME/dots/real/kube", "$WORK/k", ",", "rename", "$WORK/sub", "$HOME/.kube", ","],
        ...[
          "link",
          "$HOME/dots/real/kube/config",
          "$WORK/k",
          ",",
          "rename",
          "$HOME/dots/real/kube/config",
          "$WORK/k",
        ],
      ],
      sees: "refused",
    },
    {
      tries: "read the kubeconfig at the target of its links",
      granted: HOME,
      ...DOTFILES,
      attack: ["stat", "$HOME/dots/real/kube/config", ",", "append", "$HOME/dots/kube/config", "x"],
      sees: "ok; refused",
      shown: "the redacted kubeconfig",
      async check(stage) {
        const { stdout } = await stage.attack("preview1", ["read", "$HOME/dots/real/kube/config"], {
          granted: HOME,
        });
        assert.match(stdout, /krew-wasm-placeholder/);
      },
    },
    {
      tries: "change the target of a link to a kubeconfig that KUBECONFIG names",
      granted: "--allow-write=$WORK",
      env: { KUBECONFIG: "/dev/null" },
      async run(stage) {
        const { work, home } = stage;
        Deno.mkdirSync(`${work}/real`);
        Deno.copyFileSync(`${home}/.kube/config`, `${work}/real/config`);
        Deno.symlinkSync("real", `${work}/link`);
        const { stdout } = await stage.attack("preview1", [
          ...[
            "rename",
            "$WORK/link",
            "$WORK/x",
            ",",
            "unlink",
            "$WORK/link",
            ",",
            "rename",
            "$WORK/real",
            "$WORK/x",
            ",",
          ],
          ...[
            "unlink",
            "$WORK/real/config",
            ",",
            "write",
            "$WORK/real/config",
            "x",
            ",",
            "rename",
            MINE,
            "$WORK/link",
          ],
        ], { granted: "--allow-write=$WORK", env: { KUBECONFIG: `${work}/link/config` } });
        assert.doesNotMatch(stdout, new RegExp(stage.api.token));
        return stdout.trim().replaceAll("\n", "; ");
      },
      changes: ["$WORK"],
      sees: "refused",
    },
    {
      tries: "read a denied path through a link, in a second run",
      granted: `${HOME} --deny-read=$HOME/.ssh`,
      prepare({ home }) {
        Deno.mkdirSync(`${home}/dots`);
        Deno.renameSync(`${home}/.ssh`, `${home}/dots/ssh`);
        Deno.symlinkSync("dots/ssh", `${home}/.ssh`);
      },
      cleanUp({ home }) {
        Deno.removeSync(`${home}/.ssh`);
        Deno.renameSync(`${home}/dots/ssh`, `${home}/.ssh`);
        Deno.removeSync(`${home}/dots`, { recursive: true });
      },
      async run(stage) {
        const granted = `${HOME} --deny-read=$HOME/.ssh`;
        const way = [
          "unlink",
          "$HOME/.ssh",
          ",",
          "rename",
          "$HOME/.ssh",
          "$WORK/s",
          ",",
          "mkdir",
          "$HOME/.ssh",
          ",",
        ];
        const first = await stage.attack("preview1", [...way, "rename", "$HOME/dots/ssh", "$WORK/s"], {
          granted,
        });
        const second = await stage.attack("preview1", ["read", "$HOME/dots/ssh/id_ed25519"], { granted });
        return `${first.stdout}${second.stdout}`.trim().replaceAll("\n", "; ");
      },
      sees: "refused",
    },
    {
      tries: "move the link to the store, and create its own store",
      granted: HOME,
      prepare({ home }) {
        Deno.mkdirSync(`${home}/opt`);
        Deno.renameSync(`${home}/.krew-wasm`, `${home}/opt/store`);
        Deno.symlinkSync("opt/store", `${home}/.krew-wasm`);
      },
      cleanUp({ home }) {
        Deno.removeSync(`${home}/.krew-wasm`);
        Deno.renameSync(`${home}/opt/store`, `${home}/.krew-wasm`);
        Deno.removeSync(`${home}/opt`, { recursive: true });
      },
      attack: [
        ...[
          "rename",
          "$STORE",
          "$WORK/s",
          ",",
          "unlink",
          "$STORE",
          ",",
          "rename",
          "$HOME/opt",
          "$WORK/s",
          ",",
        ],
        ...["rename", "$HOME/opt/store", "$WORK/s", ",", "write", "$HOME/opt/store/bin/kubectl-x", "evil"],
      ],
      changes: ["$HOME/opt/store/data", "$HOME/opt/store/log", "$HOME/opt/store/lock"],
      sees: "refused",
    },
    {
      tries: "change receipts and what runs, where links in the store lead",
      granted: HOME,
      ...keptElsewhere("receipts", "compiled", "blobs", "data"),
      attack: [
        ...planted("$HOME/big/receipts/attack.json", "$HOME/big/receipts/new.json", "$HOME/big/compiled/new"),
        ...[",", "append", "$HOME/big/receipts/attack.json", " ", ",", "unlink", "$STORE/receipts", ","],
        ...["mkdir", "$HOME/big/data/other", ",", "mkdir", "$HOME/big/blobs/sha256/new", ","],
        ...["rename", "$HOME/big/receipts", "$WORK/r", ",", "rename", "$HOME/big", "$WORK/b"],
      ],
      changes: ["$HOME/big/data"],
      sees: "refused",
    },
    {
      tries: "change its own grants where a link leads to its receipt",
      granted: "--allow-write=$HOME/big",
      prepare({ home, product: { store } }) {
        Deno.mkdirSync(`${home}/big`);
        for (const name of ["attack", "attack-component"]) {
          Deno.renameSync(`${store}/receipts/${name}.json`, `${home}/big/${name}.json`);
          Deno.symlinkSync(`${home}/big/${name}.json`, `${store}/receipts/${name}.json`);
        }
      },
      cleanUp({ home, product: { store } }) {
        for (const name of ["attack", "attack-component"]) {
          Deno.removeSync(`${store}/receipts/${name}.json`);
          Deno.renameSync(`${home}/big/${name}.json`, `${store}/receipts/${name}.json`);
        }
        Deno.removeSync(`${home}/big`, { recursive: true });
      },
      attack: [
        ...["append", "$HOME/big/attack.json", " ", ",", "unlink", "$HOME/big/attack-component.json", ","],
        ...["rename", "$HOME/big/attack.json", "$HOME/big/x", ",", "write", "$HOME/big/attack.json", "{}"],
      ],
      sees: "refused",
    },
    {
      tries: "change the user's policy where its link leads, and plant what is not there",
      granted: HOME,
      prepare({ home, product }) {
        Deno.mkdirSync(`${home}/pol`);
        Deno.writeTextFileSync(`${home}/pol/policy.yaml`, "rules: []\n");
        Deno.symlinkSync(`${home}/pol/policy.yaml`, `${product.store}/policy.yaml`);
        Deno.symlinkSync(`${home}/pol/root.json`, `${product.store}/trusted_root.json`);
        Deno.symlinkSync(`${home}/pol/registries.yaml`, `${product.store}/registries.yaml`);
      },
      cleanUp({ home, product }) {
        for (const name of ["policy.yaml", "trusted_root.json", "registries.yaml"]) {
          Deno.removeSync(`${product.store}/${name}`);
        }
        Deno.removeSync(`${home}/pol`, { recursive: true });
      },
      attack: [
        ...planted("$HOME/pol/policy.yaml", "$HOME/pol/root.json", "$HOME/pol/registries.yaml"),
        ...[",", "unlink", "$HOME/pol/policy.yaml", ",", "rename", "$HOME/pol", "$WORK/p"],
      ],
      sees: "refused",
    },
    {
      tries: "change a key or a certificate that the user's settings name",
      granted: HOME,
      ...withFiles({
        "$HOME/keys/acme.pub": "key",
        "$HOME/keys/ca.pem": "certificate",
        "$STORE/policy.yaml":
          "rules:\n  - match: none.example/*\n    verify: [$HOME/keys/acme.pub] # theirs\n",
        "$STORE/registries.yaml": "registries:\n  none.example: { ca: ../keys/ca.pem }\n",
      }),
      attack: [
        ...planted("$HOME/keys/acme.pub", "$HOME/keys/ca.pem"),
        ...[",", "unlink", "$HOME/keys/acme.pub", ",", "rename", "$HOME/keys", "$WORK/k"],
      ],
      sees: "refused",
    },
    {
      tries: "change the settings of registries where their links lead",
      granted: HOME,
      prepare({ home }) {
        Deno.mkdirSync(`${home}/dots/host`, { recursive: true });
        Deno.mkdirSync(`${home}/.config/containers/registries.conf.d`, { recursive: true });
        Deno.mkdirSync(`${home}/.config/containers/certs.d`, { recursive: true });
        for (const name of ["main.conf", "drop.conf", "ca.crt"]) {
          Deno.writeTextFileSync(`${home}/dots/${name}`, "");
        }
        Deno.symlinkSync(`${home}/dots/main.conf`, `${home}/.config/containers/registries.conf`);
        Deno.symlinkSync(`${home}/dots/drop.conf`, `${home}/.config/containers/registries.conf.d/a.conf`);
        Deno.symlinkSync(`${home}/dots/host`, `${home}/.config/containers/certs.d/none.example`);
        Deno.symlinkSync(`${home}/dots/ca.crt`, `${home}/dots/host/ca.crt`);
      },
      cleanUp({ home }) {
        Deno.removeSync(`${home}/.config/containers`, { recursive: true });
        Deno.removeSync(`${home}/dots`, { recursive: true });
      },
      attack: [
        ...planted(
          "$HOME/dots/main.conf",
          "$HOME/dots/drop.conf",
          "$HOME/dots/ca.crt",
          "$HOME/dots/host/x.crt",
        ),
        ...[",", "unlink", "$HOME/dots/main.conf", ",", "rename", "$HOME/dots/host", "$WORK/h"],
      ],
      sees: "refused",
    },
    {
      tries: "replace a link that the store's link to krew-wasm leads through",
      granted: HOME,
      prepare({ home, product }) {
        const self = `${product.store}/bin/krew-wasm`;
        Deno.mkdirSync(`${home}/tools`);
        Deno.symlinkSync(Deno.realPathSync(self), `${home}/tools/krew-wasm`);
        Deno.renameSync(self, `${home}/tools/first`);
        Deno.symlinkSync(`${home}/tools/krew-wasm`, self);
      },
      cleanUp({ home, product }) {
        Deno.renameSync(`${home}/tools/first`, `${product.store}/bin/krew-wasm`);
        Deno.removeSync(`${home}/tools`, { recursive: true });
      },
      attack: [
        ...planted("$HOME/tools/krew-wasm"),
        ...[",", "unlink", "$HOME/tools/krew-wasm", ",", "rename", "$HOME/tools/krew-wasm", "$WORK/k", ","],
        ...["rename", "$HOME/tools", "$WORK/t"],
      ],
      sees: "refused",
    },
    {
      tries: "create a kubeconfig for the next kubectl when there is none",
      granted: HOME,
      ...without(".kube"),
      attack: [
        ...[
          "rename",
          "$WORK/sub",
          "$HOME/.kube",
          ",",
          ...planted("$HOME/.kube"),
          ",",
          "mkdir",
          "$HOME/.kube",
          ",",
        ],
        ...planted(
          "$HOME/.kube/config",
          "$HOME/.kube/.kubeconfig",
          "$HOME/.kube/kuberc",
          "$HOME/.KUBE/Config",
        ),
      ],
      changes: ["$HOME/.kube"],
      sees: [...Array(6).fill("refused"), "ok", ...Array(20).fill("refused")].join("; "),
      shown: "an empty directory, and no file in it",
    },
    {
      tries: "create a missing kubeconfig that KUBECONFIG names",
      granted: "--allow-write=$WORK",
      async run(stage) {
        const { home, work } = stage;
        const { stdout } = await stage.attack(
          "preview1",
          planted("$WORK/second", "$WORK/new/third", "$WORK/new"),
          {
            granted: "--allow-write=$WORK",
            env: { KUBECONFIG: `${home}/.kube/config:${work}/second:${work}/new/third` },
          },
        );
        return stdout.trim().replaceAll("\n", "; ");
      },
      sees: "refused",
    },
    {
      tries: "read and replace a kubeconfig that KUBECONFIG names, while a flag names another",
      granted: "--allow-write=$WORK",
      async run(stage) {
        const { home, work } = stage;
        Deno.copyFileSync(`${home}/.kube/config`, `${work}/second`);
        const { stdout } = await stage.attack("preview1", [
          ...["append", "$WORK/second", "x", ",", "rename", "$WORK/second", "$WORK/third", ","],
          ...[
            "rename",
            MINE,
            "$WORK/second",
            ",",
            "unlink",
            "$WORK/second",
            ",",
            "read",
            "$WORK/second",
            ",",
          ],
          ...["print", `--kubeconfig=${home}/.kube/config`],
        ], { granted: "--allow-write=$WORK", env: { KUBECONFIG: `${work}/second` } });
        assert.doesNotMatch(stdout, new RegExp(stage.api.token));
        return stdout.trim().split("\n").slice(0, 4).join("; ");
      },
      changes: ["$WORK"],
      sees: "refused",
    },
    {
      tries: "change registry credentials, so that a helper of its choice starts",
      granted: HOME,
      attack: [
        ...planted("$HOME/.docker/config.json", "$HOME/.config/containers/auth.json"),
        ...[",", "unlink", "$HOME/.docker/config.json", ",", "rename", "$HOME/.docker", "$WORK/d", ","],
        ...["mkdir", "$HOME/.config/containers", ",", "mkdir", "$HOME/.config/docker/certs.d", ","],
        ...["write", "$HOME/.config/containers/registries.conf", "x"],
      ],
      sees: "refused",
    },
    {
      tries: "change the usual store while another is in use",
      granted: HOME,
      component: false,
      async run({ product, home, outside }) {
        const { stdout } = await product.exec(product.command, [
          ...["run", HOME, await buildFixture("attack"), "--"],
          ...[
            "write",
            `${home}/.krew-wasm/bin/kubectl-x`,
            "evil",
            ",",
            "rename",
            `${home}/.krew-wasm`,
            `${home}/moved`,
          ],
        ], { env: { KREW_WASM_ROOT: `${outside}/none` } });
        return stdout.trim().replaceAll("\n", "; ");
      },
      // `run` keeps compiled files in the store in use.
      changes: ["$OUTSIDE/none"],
      sees: "refused",
    },
    {
      tries: "change a receipt by a second name in a writable directory",
      granted: "--allow-write=$WORK",
      prepare: ({ work, product }) =>
        Deno.linkSync(`${product.store}/receipts/attack.json`, `${work}/receipt`),
      cleanUp: ({ work }) => Deno.removeSync(`${work}/receipt`),
      attack: [
        ...[
          "append",
          "$WORK/receipt",
          " ",
          ",",
          "write",
          "$WORK/receipt",
          "{}",
          ",",
          "touch",
          "$WORK/receipt",
          ",",
        ],
        ...["link", "$WORK/receipt", "$WORK/again", ",", "truncate", "$WORK/receipt", "0"],
      ],
      sees: "refused",
    },
    {
      tries: "read a denied file by a second name elsewhere",
      granted: "--allow-read=$WORK --deny-read=$HOME/.ssh",
      prepare: ({ work, home }) => Deno.linkSync(`${home}/.ssh/id_ed25519`, `${work}/copy`),
      cleanUp: ({ work }) => Deno.removeSync(`${work}/copy`),
      attack: ["read", "$WORK/copy", ",", "stat", "$WORK/copy"],
      sees: "refused",
    },
    {
      tries: "learn whether a denied path exists, by any operation",
      granted: `${HOME} --deny-read=$HOME/.ssh`,
      run: sameAnswers,
      component: false,
      sees: "the same answers",
      shown: "the same answers, whether it is there or not",
    },
    {
      tries: "open devices of its directory: memory, the kernel's log, consoles, disks",
      granted: "--allow-all",
      skip: () => Deno.build.os === "linux" ? undefined : "devices are of Linux here",
      async run(stage) {
        const harmless = ["null", "zero", "full", "random", "urandom", "tty"];
        const devices = [...Deno.readDirSync("/dev")].flatMap(({ name }) => {
          try {
            const { isCharDevice, isBlockDevice } = Deno.lstatSync(`/dev/${name}`);
            return isCharDevice || isBlockDevice ? [name] : [];
          } catch {
            return [];
          }
        }).filter((name) => !harmless.includes(name));
        const words = devices.flatMap((
          name,
        ) => ["read", `/dev/${name}`, ",", "append", `/dev/${name}`, "", ","]);
        const { stdout } = await stage.attack("preview1", [...words, "append", "/dev/null", "x"], {
          granted: "--allow-all",
        });
        return [...new Set(stdout.trim().split("\n"))].join("; ");
      },
      sees: "EACCES; ok",
      shown: "refused, whatever they are; /dev/null is open",
    },
  ],
};
