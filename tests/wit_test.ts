import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

Deno.test("the host's types in wit/generated are those of wit/ (else: deno task wit)", async () => {
  // In a process of its own: jco's preview2-shim keeps a worker thread.
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-all", "--no-check", "scripts/wit.ts", "--check"],
    cwd: fileURLToPath(new URL("..", import.meta.url)),
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
});
