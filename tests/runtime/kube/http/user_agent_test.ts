import assert from "node:assert/strict";
import { pluginAgent } from "../../../../runtime/kube/http/user_agent.ts";
import { USER_AGENT } from "../../../../runtime/base/version.ts";

Deno.test("the User-Agent names the plugin, its version and krew-wasm", () => {
  assert.equal(pluginAgent("view-secret", "v1.2.3"), `kubectl-view-secret/v1.2.3 ${USER_AGENT}`);
  assert.equal(pluginAgent("view-secret", undefined), `kubectl-view-secret ${USER_AGENT}`);
});

Deno.test("a version cannot add to the header, or name another product", () => {
  assert.equal(pluginAgent("a", "1 evil/2\r\nx: y"), `kubectl-a/1evil2xy ${USER_AGENT}`);
  assert.equal(pluginAgent("a", "/ ()"), `kubectl-a ${USER_AGENT}`);
  assert.ok(pluginAgent("a", "1".repeat(1000)).length < 120);
});
