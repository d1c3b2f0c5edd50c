import assert from "node:assert/strict";
import type { Case, Group } from "../case.ts";

/** Reading and changing ungranted files, and leaving granted directories. */
export const FILES: Group = {
  title: "the user's files",
  cases: [
    { tries: "read the SSH key", attack: ["read", "$HOME/.ssh/id_ed25519"], sees: "refused" },
    {
      tries: "read the clouds' credentials",
      attack: [
        ...["read", "$HOME/.aws/credentials", ","],
        ...["read", "$HOME/.config/gcloud/application_default_credentials.json", ","],
        ...["read", "$HOME/.azure/msal_token_cache.json"],
      ],
      sees: "refused",
    },
    {
      tries: "read the registries' and other services' passwords",
      attack: [
        "read",
        "$HOME/.docker/config.json",
        ",",
        "read",
        "$HOME/.netrc",
        ",",
        "read",
        "$HOME/.kube/cache/token",
      ],
      sees: "refused",
    },
    {
      tries: "read another user's files and the system's",
      attack: [
        "read",
        "$OUTSIDE/file",
        ",",
        "read",
        "/etc/passwd",
        ",",
        "read",
        "/etc/shadow",
        ",",
        "read",
        "/root/.profile",
      ],
      sees: "refused",
    },
    {
      tries: "look around",
      attack: [
        "list",
        "/",
        ",",
        "list",
        "$HOME",
        ",",
        "list",
        "/tmp",
        ",",
        "list",
        "$STORE",
        ",",
        "list",
        "$STORE/data",
      ],
      sees: "refused",
    },
    {
      tries: "learn whether a file exists",
      attack: [
        "stat",
        "$HOME/.ssh/id_ed25519",
        ",",
        "stat",
        "$HOME/.ssh/id_none",
        ",",
        "stat",
        "$HOME/none/x",
      ],
      sees: "ENOENT; ENOENT; ENOENT",
      shown: "the same answer for all",
    },
    {
      tries: "write into the home directory and beside it",
      attack: [
        "write",
        "$HOME/x",
        "x",
        ",",
        "mkdir",
        "$HOME/d",
        ",",
        "write",
        "/tmp/krew-wasm-x",
        "x",
        ",",
        "append",
        "$HOME/.bashrc",
        "x",
      ],
      sees: "refused",
    },
    {
      tries: "leave by .. in a path",
      granted: "--allow-read=$WORK",
      attack: [
        "read",
        "$WORK/../.ssh/id_ed25519",
        ",",
        "read",
        "$WORK/sub/../../.ssh/id_ed25519",
        ",",
        "list",
        "$WORK/..",
      ],
      sees: "refused",
    },
    {
      tries: "leave by .. below an open directory",
      granted: "--allow-read=$WORK",
      attack: [
        ...[
          "at",
          "$WORK",
          "read",
          "../.ssh/id_ed25519",
          ",",
          "at",
          "$WORK/sub",
          "read",
          "../../.ssh/id_ed25519",
          ",",
        ],
        ...[
          "at",
          "$WORK",
          "list",
          "..",
          ",",
          "at",
          "$WORK",
          "stat",
          "../.ssh",
          ",",
          "at",
          "$WORK",
          "read",
          "./sub/./.././../.ssh/id_ed25519",
        ],
      ],
      sees: "refused",
    },
    {
      tries: "name an absolute path below an open directory",
      granted: "--allow-read=$WORK",
      attack: ["at", "$WORK", "read", "$HOME/.ssh/id_ed25519", ",", "at", "$WORK", "list", "/"],
      sees: "refused",
    },
    {
      tries: "leave by .. from a descriptor's number",
      granted: "--allow-read=$WORK",
      attack: [3, 4, 5, 6, 7, 8].flatMap((fd) => ["preopen", `${fd}`, "read", "../.ssh/id_ed25519", ","]),
      sees: "refused",
    },
    {
      tries: "follow a link to a file outside",
      granted: "--allow-read=$WORK",
      prepare: ({ work, home }) => {
        Deno.symlinkSync("../.ssh/id_ed25519", `${work}/relative`);
        Deno.symlinkSync(`${home}/.ssh/id_ed25519`, `${work}/absolute`);
      },
      attack: ["read", "$WORK/relative", ",", "read", "$WORK/absolute"],
      changes: ["$WORK"],
      sees: "refused",
    },
    {
      tries: "go through a link to a directory outside",
      granted: "--allow-write=$WORK",
      prepare: ({ work, home }) => {
        Deno.symlinkSync("../.ssh", `${work}/relative`);
        Deno.symlinkSync(home, `${work}/absolute`);
        Deno.symlinkSync("relative", `${work}/sub/../second`);
      },
      attack: [
        ...[
          "read",
          "$WORK/relative/id_ed25519",
          ",",
          "list",
          "$WORK/absolute",
          ",",
          "read",
          "$WORK/second/id_ed25519",
          ",",
        ],
        ...[
          "write",
          "$WORK/relative/x",
          "x",
          ",",
          "unlink",
          "$WORK/absolute/.bashrc",
          ",",
          "mkdir",
          "$WORK/absolute/x",
        ],
      ],
      sees: "refused",
    },
    {
      tries: "change the shell's rc file through a link",
      granted: "--allow-write=$WORK",
      prepare: ({ work }) => Deno.symlinkSync("../.bashrc", `${work}/rc`),
      attack: [
        "append",
        "$WORK/rc",
        "evil",
        ",",
        "write",
        "$WORK/rc",
        "evil",
        ",",
        "truncate",
        "$WORK/rc",
        "0",
      ],
      sees: "refused",
    },
    {
      tries: "make a link to a file outside, by its path",
      granted: "--allow-write=$WORK",
      attack: ["symlink", "$HOME/.ssh/id_ed25519", "$WORK/made", ",", "symlink", "/etc/passwd", "$WORK/made"],
      sees: "refused",
    },
    {
      tries: "make a link to a file outside, by .., and follow it",
      granted: "--allow-write=$WORK",
      changes: ["$WORK"],
      attack: [
        "symlink",
        "../.ssh/id_ed25519",
        "$WORK/made",
        ",",
        "read",
        "$WORK/made",
        ",",
        "append",
        "$WORK/made",
        "x",
      ],
      sees: "ok; refused; refused",
      shown: "a link, refused when followed",
    },
    {
      tries: "make a hard link to a file outside",
      granted: "--allow-write=$WORK",
      attack: [
        "link",
        "$HOME/.ssh/id_ed25519",
        "$WORK/made",
        ",",
        "at",
        "$WORK",
        "link",
        "../.ssh/id_ed25519",
        "made",
      ],
      sees: "refused",
    },
    {
      tries: "make a hard link of its own outside",
      granted: "--allow-write=$WORK",
      attack: ["link", "$WORK/bait", "$HOME/planted", ",", "at", "$WORK", "link", "bait", "../planted"],
      sees: "refused",
    },
    {
      tries: "move a file out, or in",
      granted: "--allow-write=$WORK",
      attack: [
        ...["rename", "$WORK/bait", "$HOME/planted", ",", "rename", "$HOME/.bashrc", "$WORK/stolen", ","],
        ...["at", "$WORK", "rename", "bait", "../planted", ",", "at", "$WORK", "rename", "../.ssh", "stolen"],
      ],
      sees: "refused",
    },
    {
      tries: "move the granted directory itself",
      granted: "--allow-write=$WORK",
      attack: [
        "rename",
        "$WORK",
        "$HOME/elsewhere",
        ",",
        "rmdir",
        "$WORK",
        ",",
        "at",
        "$WORK",
        "rename",
        ".",
        "../elsewhere",
      ],
      sees: "refused",
    },
    {
      tries: "change what it may only read",
      granted: "--allow-read=$WORK",
      attack: [
        ...[
          "write",
          "$WORK/bait",
          "x",
          ",",
          "append",
          "$WORK/bait",
          "x",
          ",",
          "truncate",
          "$WORK/bait",
          "0",
          ",",
        ],
        ...[
          "unlink",
          "$WORK/bait",
          ",",
          "rename",
          "$WORK/bait",
          "$WORK/b",
          ",",
          "mkdir",
          "$WORK/d",
          ",",
          "rmdir",
          "$WORK/sub",
          ",",
        ],
        ...[
          "symlink",
          "bait",
          "$WORK/l",
          ",",
          "link",
          "$WORK/bait",
          "$WORK/l",
          ",",
          "touch",
          "$WORK/bait",
          ",",
          "create",
          "$WORK/n",
          "x",
        ],
      ],
      sees: "refused",
    },
    {
      tries: "link or move a file from a readable directory to a writable one",
      granted: "--allow-read=$WORK/sub --allow-write=$OWN/tmp/",
      attack: ["link", "$WORK/sub/bait", "$OWN/tmp/l", ",", "rename", "$WORK/sub/bait", "$OWN/tmp/l"],
      sees: "refused",
    },
    {
      tries: "see the neighbours of a single granted file",
      granted: "--allow-read=$WORK/bait",
      attack: [
        "read",
        "$WORK/sub/bait",
        ",",
        "at",
        "$WORK",
        "read",
        "sub/bait",
        ",",
        "at",
        "$WORK",
        "read",
        "../.bashrc",
      ],
      sees: "refused",
    },
    {
      tries: "replace a single granted file",
      granted: "--allow-write=$WORK/bait",
      attack: [
        "symlink",
        "../.bashrc",
        "$WORK/new",
        ",",
        "rename",
        "$WORK/sub/bait",
        "$WORK/bait",
        ",",
        "link",
        "$WORK/bait",
        "$WORK/new",
      ],
      sees: "refused",
    },
    {
      tries: "reach a mapped directory's neighbours, and the directory by its own name",
      granted: "--allow-read=$WORK::/data",
      attack: [
        "read",
        "/data/../.ssh/id_ed25519",
        ",",
        "read",
        "$WORK/bait",
        ",",
        "read",
        "/data/../etc/passwd",
        ",",
        "at",
        "/data",
        "read",
        "../.netrc",
      ],
      sees: "refused",
    },
    {
      tries: "see a denied path inside a granted directory",
      granted: "--allow-read=$HOME --deny-read=$HOME/.ssh",
      prepare: ({ work }) => Deno.symlinkSync("../.ssh", `${work}/alias`),
      attack: [
        ...[
          "read",
          "$HOME/.ssh/id_ed25519",
          ",",
          "list",
          "$HOME/.ssh",
          ",",
          "at",
          "$HOME/work",
          "read",
          "../.ssh/id_ed25519",
          ",",
        ],
        ...["read", "$WORK/alias/id_ed25519", ",", "read", "$HOME/work/../.ssh/id_ed25519"],
      ],
      sees: "refused",
    },
    {
      tries: "move a denied path out of the denial",
      granted: "--allow-home --deny-read=$HOME/.ssh",
      attack: [
        "rename",
        "$HOME/.ssh",
        "$HOME/open",
        ",",
        "link",
        "$HOME/.ssh/id_ed25519",
        "$HOME/open",
        ",",
        "rename",
        "$HOME/.ssh/id_ed25519",
        "$HOME/open",
      ],
      sees: "refused",
    },
    {
      tries: "change a path that is denied for writing",
      granted: "--allow-write=$WORK --deny-write=$WORK/sub",
      prepare: ({ work }) => Deno.symlinkSync("sub", `${work}/alias`),
      attack: [
        ...[
          "write",
          "$WORK/sub/bait",
          "x",
          ",",
          "write",
          "$WORK/alias/bait",
          "x",
          ",",
          "unlink",
          "$WORK/sub/bait",
          ",",
        ],
        ...[
          "rename",
          "$WORK/sub",
          "$WORK/other",
          ",",
          "rename",
          "$WORK/sub/bait",
          "$WORK/b",
          ",",
          "link",
          "$WORK/sub/bait",
          "$WORK/b",
        ],
      ],
      sees: "refused",
    },
    {
      tries: "see the home directory when it is both granted and denied",
      granted: "--allow-home --deny-home",
      attack: ["read", "$HOME/.bashrc", ",", "list", "$HOME", ",", "write", "$HOME/x", "x"],
      sees: "refused",
    },
    {
      tries: "use anything when everything is denied",
      granted: "--allow-all --deny-all",
      attack: [
        "read",
        "$HOME/.bashrc",
        ",",
        "read",
        "/etc/passwd",
        ",",
        "write",
        "$WORK/x",
        "x",
        ",",
        "getenv",
        "HOME",
      ],
      sees: "refused; refused; refused; unset",
      shown: "refused",
    },
    {
      tries: "read through a link that a second process swaps in after the check",
      granted: "--allow-write=$WORK",
      changes: ["$WORK"],
      component: false,
      prepare: ({ work }) => {
        Deno.mkdirSync(`${work}/a`);
        Deno.writeTextFileSync(`${work}/a/id_ed25519`, "bait");
        Deno.symlinkSync("../.ssh", `${work}/b`);
      },
      async run(stage) {
        const [, hammer] = await Promise.all([
          stage.attack("preview1", ["swap", "$WORK/a", "$WORK/b", "4000"], {
            granted: "--allow-write=$WORK",
          }),
          stage.attack("preview1", ["hammer", "$WORK/a/id_ed25519", "4000"], {
            granted: "--allow-write=$WORK",
          }),
        ]);
        return hammer.stdout.trim();
      },
      sees: "only bait",
    },
    {
      tries: "write through a link that a second process swaps in after the check",
      granted: "--allow-write=$WORK",
      changes: ["$WORK"],
      component: false,
      prepare: ({ work }) => {
        Deno.mkdirSync(`${work}/a`);
        Deno.symlinkSync("..", `${work}/b`);
      },
      async run(stage) {
        const granted = "--allow-write=$WORK";
        const [, pound] = await Promise.all([
          stage.attack("preview1", ["swap", "$WORK/a", "$WORK/b", "4000"], { granted }),
          stage.attack("preview1", [
            "pound",
            "$WORK/a/.bashrc",
            "2000",
            ",",
            "pound",
            "$WORK/a/planted",
            "2000",
          ], { granted }),
        ]);
        return pound.stdout.trim().replaceAll("\n", "; ");
      },
      sees: "written; written",
      shown: "its own directory, nothing beside it",
    },
    ledAway(
      "replace a granted directory by a link for the next run",
      "--allow-write=$WORK --allow-read=$WORK/sub",
      ["rename", "$WORK/sub", "$WORK/gone", ",", "symlink", "../.ssh", "$WORK/sub"],
      ["read", "$WORK/sub/id_ed25519"],
    ),
    ledAway(
      "the same with a directory above a single granted file",
      "--allow-write=$WORK --allow-read=$WORK/cloud/credentials",
      ["rename", "$WORK/cloud", "$WORK/gone", ",", "symlink", "../.aws", "$WORK/cloud"],
      ["read", "$WORK/cloud/credentials"],
    ),
    ledAway(
      "the same with the single granted file itself",
      "--allow-write=$WORK --allow-read=$WORK/cloud/credentials",
      [
        "rename",
        "$WORK/cloud/credentials",
        "$WORK/gone",
        ",",
        "symlink",
        "../../.aws/credentials",
        "$WORK/cloud/credentials",
      ],
      ["read", "$WORK/cloud/credentials"],
    ),
    ledAway(
      "the same with a mapped directory, to write there",
      "--allow-write=$WORK --allow-write=$WORK/sub::/out",
      ["rename", "$WORK/sub", "$WORK/gone", ",", "symlink", "..", "$WORK/sub"],
      ["write", "/out/.bashrc", "evil"],
    ),
    {
      tries: "read and write a disk device",
      granted: "--allow-all",
      skip: () => blockDevice() === undefined ? "there is no block device in /dev" : undefined,
      async run(stage) {
        const device = blockDevice()!;
        const { stdout } = await stage.attack(
          "preview1",
          ["read", device, ",", "append", device, "", ",", "truncate", device, "0", ",", "stat", "/dev/null"],
          { granted: "--allow-all" },
        );
        return stdout.trim().replaceAll("\n", "; ");
      },
      sees: "refused; refused; refused; ok",
      shown: "refused",
    },
    {
      tries: "create a file in the root directory by a path of the user's directory",
      granted: "--allow-read=/ --allow-write=$WORK",
      cwd: "$WORK",
      attack: ["write", "made-here", "x", ",", "read", "bait", ",", "write", "/made-there", "x"],
      changes: ["$WORK/made-here", "$WORK/made-there"],
      sees: "ok; bait; ok",
      component: "ok; bait; ok",
      shown: "files in the user's directory, where it may write",
    },
  ],
};

/** A block device, real or fake. */
function blockDevice(): string | undefined {
  if (Deno.build.os !== "linux") return undefined;
  for (const { name } of Deno.readDirSync("/dev")) {
    try {
      if (Deno.statSync(`/dev/${name}`).isBlockDevice) return `/dev/${name}`;
    } catch { /* a link to nothing */ }
  }
  return undefined;
}

/** Two runs with the same grants: the first must not change where the second one's grants lead. */
function ledAway(
  tries: string,
  granted: string,
  first: readonly string[],
  second: readonly string[],
): Case {
  return {
    tries,
    granted,
    changes: ["$WORK"],
    prepare({ work }) {
      Deno.mkdirSync(`${work}/cloud`);
      Deno.writeTextFileSync(`${work}/cloud/credentials`, "bait");
    },
    async run(stage) {
      const { stdout } = await stage.attack("preview1", first, { granted });
      const { code, stdout: got, stderr } = await stage.attack("preview1", second, { granted });
      assert.equal(got, "");
      assert.match(stderr, /leads out of a directory that the plugin may change/);
      return [...stdout.trim().split("\n"), code].join("; ");
    },
    sees: "ok; ok; 125",
    shown: "not run, exit code 125: the grant leads elsewhere now",
  };
}
