import assert from "node:assert/strict";
import type { Case, Form, Group } from "../case.ts";
import type { Stage } from "../stage.ts";

/** Runs `use` while a plugin has lasting grants (`krew-wasm grants`). */
async function withStored(
  stage: Stage,
  form: Form,
  flags: readonly string[],
  use: () => Promise<string>,
): Promise<string> {
  const plugin = stage.plugin(form);
  const expanded = flags.map((flag) => stage.expand(flag));
  const { code, stderr } = await stage.product.run("grants", plugin, ...expanded);
  assert.equal(code, 0, stderr);
  try {
    return await use();
  } finally {
    await stage.product.run("grants", plugin, "--reset");
  }
}

/** The lines of a run's output, and its exit code if krew-wasm refused the run. */
async function lines(
  stage: Stage,
  form: Form,
  words: readonly string[],
  granted?: string,
): Promise<string> {
  const { code, stdout, stderr } = await stage.attack(form, words, { granted });
  if (code !== 125) return stdout.trim().replaceAll(/\n+/g, "; ");
  assert.match(
    stderr,
    /The grant of ".*" does not hold: [^]*to grant it anew: krew-wasm grants attack(?:-component)? /,
  );
  return "125";
}

/** Two runs with lasting grants; `meanwhile` runs between them. */
function stored(
  one: Pick<Case, "tries" | "sees" | "shown" | "changes" | "prepare"> & {
    readonly flags: readonly string[];
    readonly first: readonly string[];
    readonly second: readonly string[];
    readonly meanwhile?: (stage: Stage, form: Form) => void | Promise<void>;
  },
): Case {
  const { flags, first, second, meanwhile, ...rest } = one;
  return {
    granted: flags.join(" "),
    changes: ["$WORK", "$STORE/receipts"],
    component: one.sees,
    ...rest,
    run: (stage, form) =>
      withStored(stage, form, flags, async () => {
        const before = await lines(stage, form, first);
        await meanwhile?.(stage, form);
        return `${before}; ${await lines(stage, form, second)}`;
      }),
  };
}

/** Attempts to replace a single granted file. */
const PLACES = [
  ...["unlink", "$WORK/bait", ",", "symlink", "../.bashrc", "$WORK/bait", ","],
  ...["symlink", "../../../..", "$WORK/bait", ",", "mkdir", "$WORK/bait", ","],
  ...["link", "$OWN/tmp/l", "$WORK/bait", ",", "rename", "$OWN/tmp/l", "$WORK/bait", ","],
  ...["rename", "$OWN/tmp/d", "$WORK/bait"],
] as const;

/** Where granted paths lead: never where a plugin led them. */
export const GRANT_PATHS: Group = {
  title: "where granted paths lead",
  cases: [
    {
      tries: "replace a single writable file by a link or a directory",
      granted: "--allow-write=$WORK/bait",
      prepare: laidOut,
      changes: ["$WORK"],
      attack: [...PLACES, ",", "write", "$WORK/bait", "new"],
      sees: "ok; refused; refused; refused; refused; refused; refused; ok",
      shown: "refused; the file can be removed and created again",
    },
    {
      tries: "the same when the file does not exist yet",
      granted: "--allow-write=$WORK/missing",
      prepare: laidOut,
      attack: PLACES.slice(3).map((word) => word === "$WORK/bait" ? "$WORK/missing" : word),
      sees: "refused",
    },
    {
      tries: "let the next run write anywhere through a single writable file",
      granted: "--allow-write=$WORK/out",
      async run(stage, form) {
        const granted = "--allow-write=$WORK/out";
        const way = ["symlink", "../../../../../..", "$WORK/out", ",", "unlink", "$WORK/out", ","];
        await stage.attack(form, [...way, "symlink", "../../../../../..", "$WORK/out"], { granted });
        const reach = ["read", "$WORK/out/etc/passwd", ",", "read", "$WORK/out", ","];
        const { stdout } = await stage.attack(form, [...reach, "write", "$WORK/out/tmp/planted", "x"], {
          granted,
        });
        return stdout.trim().replaceAll(/\n+/g, "; ");
      },
      sees: "refused; refused; refused",
      component: "refused; refused; refused",
      shown: "refused",
    },
    stored({
      tries: "replace a granted directory inside a writable one by a link for the next run",
      flags: ["--allow-write=$WORK", "--allow-read=$WORK/sub"],
      first: ["rename", "$WORK/sub", "$WORK/gone", ",", "symlink", "../.ssh", "$WORK/sub"],
      second: ["read", "$WORK/sub/id_ed25519"],
      sees: "ok; ok; 125",
      shown: "not run, exit code 125: the grant leads elsewhere now",
    }),
    stored({
      tries: "the same with a file inside a writable directory",
      flags: ["--allow-write=$WORK", "--allow-write=$WORK/bait"],
      first: ["unlink", "$WORK/bait", ",", "symlink", "../.bashrc", "$WORK/bait"],
      second: ["append", "$WORK/bait", "evil"],
      sees: "ok; ok; 125",
      shown: "not run, exit code 125: the grant leads elsewhere now",
    }),
    stored({
      tries: "the same with a directory on the way, and mapped",
      flags: ["--allow-write=$WORK", "--allow-write=$WORK/sub/bait::/out/bait"],
      first: ["rename", "$WORK/sub", "$WORK/gone", ",", "symlink", "..", "$WORK/sub"],
      second: ["write", "/out/bait", "evil"],
      sees: "ok; ok; 125",
      shown: "not run, exit code 125: the grant leads elsewhere now",
    }),
    stored({
      tries: "let a run with more grants move the target of a lasting grant",
      flags: ["--allow-read=$WORK/sub"],
      first: ["read", "$WORK/sub/bait"],
      meanwhile: async (stage, form) => {
        const way = ["rename", "$WORK/sub", "$WORK/gone", ",", "symlink", "../.ssh", "$WORK/sub"];
        await stage.attack(form, way, { granted: "--allow-write=$WORK" });
      },
      second: ["read", "$WORK/sub/id_ed25519"],
      sees: "bait; 125",
      shown: "not run, exit code 125: the grant leads elsewhere now",
    }),
    stored({
      tries: "turn a granted file into a directory, by another grant",
      flags: ["--allow-write=$WORK", "--allow-write=$WORK/bait"],
      first: ["unlink", "$WORK/bait", ",", "rename", "$WORK/sub", "$WORK/bait"],
      second: ["list", "$WORK/bait"],
      sees: "ok; ok; 125",
      shown: "not run, exit code 125: the file is a directory now",
    }),
    stored({
      tries: "nothing: an editor saves the granted file by a rename, between two runs",
      flags: ["--allow-read=$WORK/bait"],
      first: ["read", "$WORK/bait"],
      meanwhile: ({ work }) => {
        Deno.writeTextFileSync(`${work}/saved`, "new");
        Deno.renameSync(`${work}/saved`, `${work}/bait`);
      },
      second: ["read", "$WORK/bait"],
      sees: "bait; new",
      shown: "the file, as it is now",
    }),
  ],
};

/** Creates files of the plugin that it could move elsewhere. */
function laidOut(stage: Stage): void {
  for (const form of ["preview1", "component"] as const) {
    const tmp = `${stage.own(form)}/tmp`;
    Deno.mkdirSync(`${tmp}/d`, { recursive: true });
    Deno.symlinkSync("../../../../.bashrc", `${tmp}/l`);
  }
}
