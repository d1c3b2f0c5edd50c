/** The grants of an installation, by the publisher's wish, the flags and the version before. Nobody can be asked here. */

import assert from "node:assert/strict";
import { decideGrants, grantsCommandOf, type WishOptions } from "../../../cli/grants/wished_grants.ts";
import type { Context } from "../../../cli/context.ts";
import { WISH_ANNOTATION } from "../../../registry/install/plugin_wish.ts";
import type { Arriving } from "../../../registry/install/install_plan.ts";
import { type GrantFlags, parseGrantFlags } from "../../../runtime/grants/parse_grant_flags.ts";
import { type Grants, LEAST } from "../../../runtime/grants/grants.ts";
import { parsePolicy } from "../../../runtime/policy/parse_policy.ts";
import { layoutAt } from "../../../runtime/store/layout.ts";
import type { Receipt } from "../../../runtime/store/receipt.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const REFERENCE = "ghcr.io/acme/foo:v1";
const DIGEST = `sha256:${"0".repeat(64)}`;

const flags = (flags: GrantFlags = {}) =>
  parseGrantFlags(flags, { resolve: (path) => path, readRules: () => Promise.reject(new Error("no rules")) });

/** Decides about a plugin that wishes `wish`. */
async function decide(
  wish: unknown,
  { options = {}, replaced, arriving = {} }: {
    readonly options?: Partial<WishOptions>;
    readonly replaced?: Partial<Receipt>;
    readonly arriving?: Partial<Arriving>;
  } = {},
): Promise<{ grants: Grants; stderr: string }> {
  const home = temporaryDirectory();
  let stderr = "";
  const context: Context = {
    stdout: () => assert.fail("decisions are not output"),
    stderr: (text) => void (stderr += text),
    env: (name) => ({ HOME: home, KREW_WASM_NO_PROMPT: "1" })[name],
    cwd: () => home,
    layout: () => layoutAt(home),
    now: () => new Date(0),
    policyPath: `${home}/policy.yaml`,
    stderrIsTerminal: false,
    verbose: false,
  };
  const plugin: Arriving = {
    reference: REFERENCE,
    source: { kind: "registry" },
    signatures: [],
    digest: DIGEST,
    annotations: wish === undefined
      ? {}
      : { [WISH_ANNOTATION]: typeof wish === "string" ? wish : JSON.stringify(wish) },
    ...arriving,
  };
  const receipt = replaced &&
    { ...plugin, manifestDigest: DIGEST, grants: LEAST, name: "foo", ...replaced } as unknown as Receipt;
  const decision = decideGrants(context, {
    policy: undefined,
    layout: layoutAt(home),
    mode: undefined,
    flags: await flags(),
    prompt: true,
    grantCommand: grantsCommandOf("foo"),
    ...options,
  });
  return { grants: await decision(plugin, receipt), stderr };
}

Deno.test("without a wish a plugin gets the grants of every plugin", async () => {
  assert.deepEqual(await decide(undefined), { grants: LEAST, stderr: "" });
});

Deno.test("grants no wish that nobody agreed to, and prints the command", async () => {
  const { grants, stderr } = await decide({ home: true, why: "to read your files" });
  assert.equal(grants.home, false);
  assert.match(stderr, /to read your files/);
  assert.match(stderr, /krew-wasm grants foo --allow-home\n$/);
});

Deno.test("--grants=wished grants the wish, and shows it", async () => {
  const { grants, stderr } = await decide({ home: true }, { options: { mode: "wished" } });
  assert.equal(grants.home, true);
  assert.match(stderr, /^ghcr\.io\/acme\/foo:v1 is granted:\n/);
});

Deno.test("--grants=default and none grant nothing of it", async () => {
  const ordinary = await decide({ home: true, cluster: "full" }, { options: { mode: "default" } });
  assert.equal(ordinary.grants.home, false);
  assert.doesNotMatch(ordinary.stderr, /krew-wasm grants/);
  const none = await decide({ home: true, cluster: "full" }, { options: { mode: "none" } });
  assert.deepEqual([none.grants.home, none.grants.cluster, none.stderr], [false, "none", ""]);
});

Deno.test("flags apply whatever the mode", async () => {
  for (const mode of [undefined, "wished", "default", "none"] as const) {
    const options = { mode, flags: await flags({ allowCluster: ["read-only"], denyHome: true }) };
    const { grants } = await decide({ home: true, cluster: "full" }, { options });
    assert.equal(grants.cluster, "read-only", mode);
    assert.equal(grants.deny.home, true, mode);
  }
});

Deno.test("a wish for less than every plugin has narrows the plugin", async () => {
  const { grants } = await decide({ cluster: "read-only" });
  assert.equal(grants.cluster, "read-only");
});

Deno.test("warns about an invalid wish, and grants nothing of it", async () => {
  for (const wish of ["{", { home: "yes" }, { unknown: true }, { version: 9 }]) {
    const { grants, stderr } = await decide(wish);
    assert.deepEqual(grants, LEAST);
    assert.match(stderr, /^warning: /, JSON.stringify(wish));
  }
});

Deno.test("a new version of the same publisher keeps the user's grants", async () => {
  const replaced = { grants: { ...LEAST, home: true, cluster: "read-only" } } as const;
  const { grants, stderr } = await decide(undefined, { replaced });
  assert.deepEqual([grants.home, grants.cluster, stderr], [true, "read-only", ""]);
});

Deno.test("a plugin of another repository keeps none of them", async () => {
  const replaced = { reference: "ghcr.io/other/foo:v1", grants: { ...LEAST, home: true } };
  assert.equal((await decide(undefined, { replaced })).grants.home, false);
});

Deno.test("a bundle's word for the publisher keeps restrictions only", async () => {
  const replaced: Partial<Receipt> = {
    source: { kind: "registry" },
    digest: `sha256:${"1".repeat(64)}`,
    grants: { ...LEAST, home: true, terminal: false },
  };
  const arriving = { source: { kind: "bundle" } } as unknown as Partial<Arriving>;
  const { grants, stderr } = await decide(undefined, { replaced, arriving });
  assert.deepEqual([grants.home, grants.terminal], [false, false]);
  assert.match(stderr, /is not known to be by the publisher/);
});

Deno.test("applies the administrator's bounds to a granted wish", async () => {
  const policy = parsePolicy(
    { rules: [{ match: "**", maximum: { home: false } }] },
    "policy.yaml",
    "/home/x",
  );
  const { grants, stderr } = await decide({ home: true }, { options: { mode: "wished", policy } });
  assert.equal(grants.home, false);
  assert.match(stderr, /warning: the administrator's policy/);
});
