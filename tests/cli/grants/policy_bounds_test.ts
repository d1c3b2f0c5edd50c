/** The administrator's policy in the manager's commands. */

import assert from "node:assert/strict";
import { runManager } from "../../../cli/app.ts";
import { layoutAt } from "../../../runtime/store/layout.ts";
import { readReceipt } from "../../../runtime/store/read.ts";
import { makeArtifact, push } from "../../../scripts/servers/artifacts.ts";
import { TestRegistry } from "../../../scripts/servers/oci_registry.ts";
import { wat } from "../../support/components.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

Deno.test("pull, run and grants obey the administrator's policy", async () => {
  const home = temporaryDirectory();
  await using registry = TestRegistry.start();
  const wasm = await wat('(module (memory (export "memory") 1) (func (export "_start")))');
  await push(registry.origin, "plugins/foo", "v1", makeArtifact(wasm));
  const layout = layoutAt(`${home}/store`);
  let out = "";
  let err = "";
  const run = async (...args: string[]) => {
    out = err = "";
    return await runManager(args, {
      recompile: () => Promise.reject(new Error("recompile")),
      keep: () => Promise.reject(new Error("keep")),
      end: () => {
        throw new Error("end");
      },
    }, {
      stdout: (text) => out += text,
      stderr: (text) => err += text,
      env: (name) => name === "HOME" ? home : undefined,
      cwd: () => home,
      layout: () => layout,
      now: () => new Date(),
      policyPath: `${home}/policy.yaml`,
      stderrIsTerminal: false,
      verbose: false,
    });
  };
  const policy = (value: unknown) => Deno.writeTextFile(`${home}/policy.yaml`, JSON.stringify(value));
  const reference = `${registry.host}/plugins/foo:v1`;
  try {
    await policy({ registries: ["ghcr.io"] });
    const asked = registry.requests.length;
    assert.equal(await run("pull", reference), 1);
    assert.equal(registry.requests.length, asked, "the registry is not asked");

    await policy({
      rules: [{
        match: `${registry.host}/**`,
        maximum: { home: false, cluster: "read-only", read: ["/srv"] },
      }],
    });
    assert.equal(await run("pull", "--allow-home", "--allow-read=/etc", "--allow-read=/srv/x", reference), 0);
    assert.match(
      err,
      /does not allow it to read \/etc; read and change all of your home directory; do all that you may do/,
    );
    const { grants } = readReceipt(layout, "foo");
    assert.deepEqual([grants.home, grants.cluster, grants.files.map(({ host }) => host)], [
      false,
      "read-only",
      ["/srv/x"],
    ]);

    assert.equal(await run("grants", "foo", "--allow-cluster=full", "--allow-all"), 0);
    assert.match(err, /does not allow it/);
    assert.deepEqual(readReceipt(layout, "foo").grants.files.map(({ host }) => host), ["/srv/x", "/srv"]);
    assert.equal(readReceipt(layout, "foo").grants.cluster, "read-only");

    // The limit applies to earlier grants, and the output shows that.
    await policy({});
    assert.equal(await run("grants", "foo", "--reset", "--allow-home", "--allow-cluster=delete:pods"), 0);
    assert.match(out, /all of your home directory/);
    await policy({ rules: [{ match: "**", maximum: { home: false, cluster: "read-only" } }] });
    assert.equal(await run("grants", "foo"), 0);
    assert.doesNotMatch(out, /all of your home directory/);
    assert.equal(await run("grants", "foo", "--explain"), 0);
    assert.match(
      out.replace(/\s+/g, " "),
      /It may delete pods, in all namespaces\..* Whatever is granted, \S*\/policy\.yaml lets it do no more than look/,
    );
    assert.equal(readReceipt(layout, "foo").grants.home, true, "showing changes nothing");

    const findings = async () => {
      await run("doctor", "--offline", "-o", "json");
      const all: { check: string; level: string; message: string; fix?: string }[] = JSON.parse(out).findings;
      return all.filter(({ check }) => check === "policy").map(({ level, message }) => [level, message]);
    };
    assert.deepEqual(await findings(), [["ok", `${home}/policy.yaml lets all plugins run`]]);

    await policy({ rules: [{ match: "**", allow: false }] });
    const why = `"${reference}" is not allowed on this machine: its rule for ** denies it`;
    assert.deepEqual(await findings(), [["error", `"foo" does not run: ${why}`]]);
    assert.equal(await run("grants", "foo", "--explain"), 0);
    assert.match(
      out.replace(/\s+/g, " "),
      /Not run: "\S*" is not allowed on this machine: its rule for \*\* denies it/,
    );
    assert.equal(await run("run", "foo"), 125);
    assert.match(err, /is not allowed on this machine/);
    await policy({ rules: "broken" });
    assert.equal(await run("run", "foo"), 125);
    assert.equal(await run("pull", "--force", reference), 1);
    assert.equal(await run("grants", "foo", "--allow-home"), 1);
    assert.equal(out, "");
    assert.match(String(await findings()), /^error,.* can't be used: rules is not a list$/);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});
