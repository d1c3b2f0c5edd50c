import assert from "node:assert/strict";
import { Manager } from "../../support/manager.ts";

interface Finding {
  readonly check: string;
  readonly level: "ok" | "warning" | "error";
  readonly message: string;
  readonly fix?: string;
}

async function findings(manager: Manager): Promise<{ code: number; findings: readonly Finding[] }> {
  const { code, stdout } = await manager.run("doctor", "-o", "json");
  return { code, findings: (JSON.parse(stdout) as { findings: Finding[] }).findings };
}

const levelOf = (findings: readonly Finding[], check: string) =>
  findings.find((finding) => finding.check === check)?.level;

Deno.test("finds no fault in a new store whose programs are on PATH", async () => {
  await using manager = new Manager();
  manager.env.PATH = manager.layout.bin;
  await manager.install("acme/foo:v1");
  const { findings: found } = await findings(manager);
  for (const check of ["store", "modes", "receipts", "digests", "compiled", "links", "PATH", "registry"]) {
    assert.equal(levelOf(found, check), "ok", `${check} of ${JSON.stringify(found)}`);
  }
});

Deno.test("an error has a fix, and the exit code is 1", async () => {
  await using manager = new Manager();
  await manager.install("acme/foo:v1");
  const { code, findings: found } = await findings(manager);
  assert.equal(code, 1);
  const path = found.find(({ check }) => check === "PATH")!;
  assert.equal(path.level, "error");
  assert.ok(path.fix!.length > 0);
  const table = await manager.run("doctor");
  assert.equal(table.code, 1);
  assert.match(table.stdout, /^error\s+PATH/m);
});

Deno.test("finds changed bytes and a missing link", async () => {
  await using manager = new Manager();
  await manager.install("acme/foo:v1");
  const { digest } = await manager.json("info", "foo") as { digest: string };
  Deno.chmodSync(manager.layout.blob(digest), 0o600);
  Deno.writeTextFileSync(manager.layout.blob(digest), "changed");
  Deno.removeSync(`${manager.layout.bin}/kubectl-foo`);
  const { findings: found } = await findings(manager);
  assert.notEqual(levelOf(found, "digests"), "ok");
  assert.notEqual(levelOf(found, "links"), "ok");
});

Deno.test("refuses another format", async () => {
  await using manager = new Manager();
  await manager.fail(2, "doctor", "-o", "name");
});
