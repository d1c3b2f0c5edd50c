import type { Group } from "../case.ts";
import type { Stage } from "../stage.ts";

const ALL = "--allow-all";

/** The name of a compiled form in the store, found when the case runs. */
function compiled(stage: Stage, name: string): string {
  const receipt = JSON.parse(Deno.readTextFileSync(`${stage.product.store}/receipts/${name}.json`));
  const hex = receipt.digest.slice("sha256:".length);
  const directory = [...Deno.readDirSync(`${stage.product.store}/compiled`)].find((each) =>
    each.name.startsWith(hex)
  )!;
  return `${stage.product.store}/compiled/${directory.name}`;
}

/** Changing krew-wasm's own files: code with the user's rights, and plugins' grants. */
export const STORE: Group = {
  title: "krew-wasm's own files",
  cases: [
    {
      tries: "give itself more in its receipt",
      granted: ALL,
      attack: [
        ...[
          "write",
          "$STORE/receipts/attack.json",
          "{}",
          ",",
          "append",
          "$STORE/receipts/attack.json",
          " ",
          ",",
        ],
        ...[
          "truncate",
          "$STORE/receipts/attack.json",
          "0",
          ",",
          "unlink",
          "$STORE/receipts/attack.json",
          ",",
        ],
        ...["touch", "$STORE/receipts/attack.json", ",", "create", "$STORE/receipts/evil.json", "{}"],
      ],
      sees: "refused",
    },
    {
      tries: "move a receipt away, or another into its place",
      granted: ALL,
      attack: [
        ...[
          "rename",
          "$STORE/receipts/attack.json",
          "$WORK/r",
          ",",
          "rename",
          "$WORK/bait",
          "$STORE/receipts/attack.json",
          ",",
        ],
        ...[
          "rename",
          "$STORE/receipts",
          "$WORK/r",
          ",",
          "rename",
          "$STORE/receipts/attack.json",
          "$STORE/receipts/b.json",
        ],
      ],
      sees: "refused",
    },
    {
      tries: "change a receipt through a hard link",
      granted: ALL,
      attack: [
        "link",
        "$STORE/receipts/attack.json",
        "$WORK/r",
        ",",
        "link",
        "$STORE/receipts/attack.json",
        "$OWN/tmp/r",
      ],
      sees: "refused",
    },
    {
      tries: "move the whole store away, to put another in its place",
      granted: ALL,
      attack: [
        "rename",
        "$STORE",
        "$HOME/moved",
        ",",
        "rename",
        "$HOME",
        "$OUTSIDE/moved",
        ",",
        "rmdir",
        "$STORE",
      ],
      sees: "refused",
    },
    {
      tries: "change the JavaScript that runs for another plugin",
      granted: ALL,
      component: false,
      async run(stage) {
        const script = `${compiled(stage, "attack-component")}/plugin.js`;
        const { stdout } = await stage.attack("preview1", [
          ...["write", script, "Deno.exit(66)", ",", "append", script, "x", ",", "unlink", script, ","],
          ...[
            "rename",
            script,
            "$WORK/s",
            ",",
            "link",
            script,
            "$WORK/s",
            ",",
            "rename",
            "$WORK/bait",
            script,
          ],
        ], { granted: ALL });
        return stdout.trim().split("\n").join("; ");
      },
      sees: "refused",
    },
    {
      tries: "change the pulled bytes",
      granted: ALL,
      component: false,
      async run(stage) {
        const blobs = `${stage.product.store}/blobs/sha256`;
        const [{ name }] = [...Deno.readDirSync(blobs)] as [Deno.DirEntry];
        const { stdout } = await stage.attack("preview1", [
          ...[
            "write",
            `${blobs}/${name}`,
            "x",
            ",",
            "unlink",
            `${blobs}/${name}`,
            ",",
            "create",
            `${blobs}/${"0".repeat(64)}`,
            "x",
          ],
        ], { granted: ALL });
        return stdout.trim().split("\n").join("; ");
      },
      sees: "refused",
    },
    {
      tries: "plant a kubectl-… link",
      granted: ALL,
      attack: [
        ...[
          "symlink",
          "krew-wasm",
          "$STORE/bin/kubectl-get",
          ",",
          "symlink",
          "../data/attack/tmp/x",
          "$STORE/bin/kubectl-evil",
          ",",
        ],
        ...[
          "write",
          "$STORE/bin/kubectl-evil",
          "#!/bin/sh",
          ",",
          "link",
          "$WORK/bait",
          "$STORE/bin/kubectl-evil",
          ",",
        ],
        ...["rename", "$WORK/bait", "$STORE/bin/kubectl-evil", ",", "mkdir", "$STORE/bin/kubectl-evil"],
      ],
      sees: "refused",
    },
    {
      tries: "replace another plugin's link, or the link to krew-wasm",
      granted: ALL,
      attack: [
        ...[
          "unlink",
          "$STORE/bin/kubectl-attack_network",
          ",",
          "rename",
          "$WORK/bait",
          "$STORE/bin/kubectl-attack_network",
          ",",
        ],
        ...["unlink", "$STORE/bin/krew-wasm", ",", "rename", "$STORE/bin", "$WORK/bin"],
      ],
      sees: "refused",
    },
    {
      tries: "write to the store by another name",
      granted: ALL,
      prepare: ({ work }) => {
        Deno.symlinkSync("../.krew-wasm", `${work}/alias`);
        Deno.symlinkSync("../.krew-wasm/receipts/attack.json", `${work}/receipt`);
      },
      attack: [
        ...[
          "write",
          "$WORK/alias/receipts/attack.json",
          "x",
          ",",
          "write",
          "$WORK/receipt",
          "x",
          ",",
          "create",
          "$WORK/alias/bin/kubectl-evil",
          "x",
          ",",
        ],
        ...[
          "write",
          "$HOME/./work/../.krew-wasm/receipts/attack.json",
          "x",
          ",",
          "at",
          "$STORE/data",
          "write",
          "../receipts/attack.json",
          "x",
        ],
      ],
      sees: "refused",
    },
    {
      tries: "write the store through a link in its private directory",
      attack: [
        ...[
          "symlink",
          "../../../receipts",
          "$OWN/tmp/up",
          ",",
          "write",
          "$OWN/tmp/up/attack.json",
          "x",
          ",",
          "read",
          "$OWN/tmp/up/attack.json",
          ",",
        ],
        ...[
          "at",
          "$OWN/tmp",
          "write",
          "../../../receipts/attack.json",
          "x",
          ",",
          "read",
          "$OWN/../../receipts/attack.json",
        ],
      ],
      sees: "ok; refused; refused; refused; refused",
      shown: "a link, refused when followed",
    },
    {
      tries: "move its private directory, to have another in its place",
      granted: ALL,
      attack: [
        "rename",
        "$OWN",
        "$WORK/mine",
        ",",
        "rename",
        "$WORK/sub",
        "$STORE/data/attack",
        ",",
        "symlink",
        "../receipts",
        "$STORE/data/evil",
      ],
      sees: "refused",
    },
    {
      tries: "change another plugin's private directory",
      granted: ALL,
      prepare: ({ product }) => Deno.mkdirSync(`${product.store}/data/other`, { recursive: true }),
      attack: [
        "write",
        "$STORE/data/other/x",
        "x",
        ",",
        "symlink",
        "x",
        "$STORE/data/other/l",
        ",",
        "rename",
        "$STORE/data/other",
        "$WORK/o",
        ",",
        "rmdir",
        "$STORE/data/other",
      ],
      sees: "refused",
    },
    {
      tries: "read another plugin's private directory",
      prepare: ({ product }) => {
        Deno.mkdirSync(`${product.store}/data/other`, { recursive: true });
        Deno.writeTextFileSync(`${product.store}/data/other/cache`, "s3cr3t-other");
      },
      attack: [
        "read",
        "$STORE/data/other/cache",
        ",",
        "read",
        "$OWN/../other/cache",
        ",",
        "at",
        "$OWN/tmp",
        "read",
        "../../other/cache",
      ],
      sees: "refused",
    },
    {
      tries: "forge the record of denials",
      granted: ALL,
      attack: [
        "create",
        "$STORE/log/evil.jsonl",
        "{}",
        ",",
        "write",
        "$STORE/log/denials.jsonl",
        "{}",
        ",",
        "mkdir",
        "$STORE/log",
      ],
      sees: "refused",
    },
    {
      tries: "hold the store's lock",
      granted: ALL,
      attack: [
        "write",
        "$STORE/lock",
        "1",
        ",",
        "unlink",
        "$STORE/lock",
        ",",
        "rename",
        "$STORE/lock",
        "$WORK/lock",
      ],
      sees: "refused",
    },
    {
      tries: "change krew-wasm itself",
      granted: ALL,
      skip: () => Deno.env.get("KREW_WASM_BINARY") ? undefined : "there is no binary",
      component: false,
      async run(stage) {
        const binary = Deno.realPathSync(stage.product.command);
        const { stdout } = await stage.attack("preview1", [
          ...[
            "append",
            binary,
            "x",
            ",",
            "unlink",
            binary,
            ",",
            "rename",
            binary,
            "$WORK/k",
            ",",
            "link",
            binary,
            "$WORK/k",
            ",",
          ],
          ...["append", "$HOME/bin/krew-wasm", "x"],
        ], { granted: ALL });
        return stdout.trim().split("\n").join("; ");
      },
      sees: "refused",
    },
  ],
};
