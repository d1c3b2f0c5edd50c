import assert from "node:assert/strict";
import { boundPath } from "../../../runtime/policy/bound_path.ts";
import { LEAST } from "../../../runtime/grants/grants.ts";
import { parsePolicy } from "../../../runtime/policy/parse_policy.ts";
import { administratorOf } from "../../../runtime/policy/verdict.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const ignore = Deno.build.os === "windows";

/** The file grants that remain within bounds, as `r PATH` and `rw PATH`. */
function within(home: string, maximum: Record<string, unknown>, files: readonly string[], real?: string) {
  const policy = parsePolicy({ rules: [{ match: "**", maximum }] }, "/policy.yaml", home);
  const bounds = policy.rules.flatMap(({ maximum }) => maximum ?? []);
  const grants = {
    ...LEAST,
    files: files.map((host) => ({ host, guest: host, write: true, ...(real === undefined ? {} : { real }) })),
  };
  return administratorOf({ bounds }, home)!.limit(grants).files.map(({ host, write }) =>
    `${write ? "rw" : "r"} ${host}`
  );
}

Deno.test("a user's link does not move a bound", { ignore }, () => {
  const home = temporaryDirectory();
  Deno.mkdirSync(`${home}/data/inner`, { recursive: true });
  Deno.mkdirSync(`${home}/work`);
  const maximum = { read: ["~/src"], write: ["~/src"] };
  for (const target of ["/", "/etc", `${home}/data`, "data", "../../..", "nowhere", "src"]) {
    Deno.symlinkSync(target, `${home}/src`);
    assert.deepEqual(within(home, maximum, ["/", "/etc", home, `${home}/data`, `${home}/src`]), [], target);
    Deno.removeSync(`${home}/src`);
  }
  // A link on the way does not move the bound either.
  Deno.symlinkSync("/", `${home}/link`);
  assert.deepEqual(within(home, { read: ["~/link/etc"] }, ["/etc"]), []);
  // A bound's directory counts, whether it exists or not.
  assert.deepEqual(within(home, maximum, ["/"]), [`rw ${home}/src`]);
  Deno.mkdirSync(`${home}/src/a`, { recursive: true });
  assert.deepEqual(within(home, maximum, [`${home}/src/a`, home]), [`rw ${home}/src/a`, `rw ${home}/src`]);
});

Deno.test(
  "a bound applies to the present target of a grant",
  { ignore },
  () => {
    const home = temporaryDirectory();
    Deno.mkdirSync(`${home}/src`);
    Deno.mkdirSync(`${home}/x`);
    assert.deepEqual(within(home, { read: ["~/src"] }, [`${home}/x`], `${home}/src`), []);
    assert.deepEqual(within(home, { home: false }, [`${home}`], "/srv"), []);
  },
);

Deno.test("a bound follows the system's own links", { ignore }, () => {
  const found = [...Deno.readDirSync("/")].find(({ isSymlink }) => isSymlink);
  if (!found) return; // on most systems bin and lib are links
  const path = `/${found.name}`;
  assert.equal(boundPath(path, []), Deno.realPathSync(path));
  if (Deno.uid() === 0) assert.equal(boundPath(path, ["/"]), undefined);
});

Deno.test("a bound follows no link for the root of a user namespace", {
  ignore: Deno.build.os !== "linux" || Deno.uid() !== 0,
}, () => {
  const found = [...Deno.readDirSync("/")].find(({ isSymlink }) => isSymlink);
  if (!found) return;
  const { statSync } = Deno;
  Deno.statSync = (path) => ({ ...statSync(path), ino: 4026532177 });
  try {
    assert.equal(boundPath(`/${found.name}`, []), undefined);
  } finally {
    Deno.statSync = statSync;
  }
});
