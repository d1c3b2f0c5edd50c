import assert from "node:assert/strict";
import { LEAST } from "../../../runtime/grants/grants.ts";
import { openSandbox } from "../../../runtime/sandbox/sandbox.ts";
import { layoutAt } from "../../../runtime/store/layout.ts";

Deno.test({
  name: "restores the terminal before printing to it",
  // The process that restores the terminal has none here, and may take a moment to end.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const root = Deno.makeTempDirSync();
    const { isTerminal, setRaw } = Deno.stdin;
    const modes: boolean[] = [];
    Object.assign(Deno.stdin, { isTerminal: () => true, setRaw: (raw: boolean) => void modes.push(raw) });
    try {
      const sandbox = openSandbox({
        name: "test",
        args: ["kubectl-test"],
        grants: LEAST,
        layout: layoutAt(root),
        installed: true,
        verbose: false,
      });
      const terminal = await sandbox.terminal();
      terminal.setMode("raw");
      sandbox[Symbol.dispose]();
      assert.deepEqual(modes, [true, false]);
    } finally {
      Object.assign(Deno.stdin, { isTerminal, setRaw });
      Deno.removeSync(root, { recursive: true });
    }
  },
});
