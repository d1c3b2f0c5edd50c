/** A component's request body is sent while its user types it, as `kubectl create --raw -f -` sends it. */

import assert from "node:assert/strict";
import { TestApiServer } from "../../scripts/servers/api_server.ts";
import { installFixture } from "../support/install.ts";
import { clangMissing, Product } from "../support/product.ts";
import { testBinary } from "../support/test_binary.ts";

testBinary("an upload sends each typed line, and giving up ends the request", async () => {
  await using api = await TestApiServer.start();
  using product = Product.make();
  Deno.mkdirSync(`${product.home}/.kube`);
  Deno.writeTextFileSync(`${product.home}/.kube/config`, api.kubeconfig());
  await installFixture(product, "attack-interfaces", "--allow-cluster=full");
  if (!clangMissing()) await installFixture(product, "kubernetes", "--allow-cluster=full");
  const start = (program: string, ...args: string[]) =>
    product.start(`${product.store}/bin/kubectl-${program}`, args);
  let seen = "";
  let more = Promise.withResolvers<void>();
  api.hook = async (request) => {
    assert.equal(request.headers.get("authorization"), `Bearer ${api.token}`);
    for await (const part of request.body!.pipeThrough(new TextDecoderStream())) {
      seen += part;
      more.resolve();
      more = Promise.withResolvers();
    }
    return new Response(`${seen.length} bytes`, { status: 201 });
  };
  const until = async (text: string) => {
    while (!seen.includes(text)) await more.promise;
  };
  type Run = [program: string, args: string[], answer: string];
  const runs: Run[] = [
    ["attack_interfaces", ["upload", "POST", "/upload", "-"], "201 1000013 bytes\n"],
    ...(clangMissing() ? [] : [["kubernetes", ["upload", "/upload", "-"], "201\n1000013 bytes"]] as Run[]),
  ];
  for (const [program, args, answer] of runs) {
    seen = "";
    const typed = start(program, ...args);
    const stdin = typed.stdin.getWriter();
    for (const line of ["first\n", "second\n"]) {
      await stdin.write(new TextEncoder().encode(line));
      await until(line); // before the next line is written
    }
    await stdin.write(new Uint8Array(1_000_000).fill(120));
    await stdin.close();
    const { code, stdout } = await typed.output();
    assert.deepEqual([code, new TextDecoder().decode(stdout)], [0, answer], program);
  }

  // The server sees a truncated body; the plugin goes on.
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<unknown>();
  api.hook = async (request) => {
    try {
      for await (const _part of request.body!) begun.resolve();
      ended.resolve("whole");
    } catch (error) {
      ended.resolve(error);
    }
    return new Response();
  };
  const dropped = start("attack_interfaces", "drop", "POST", "/upload", "part");
  const input = dropped.stdin.getWriter();
  await begun.promise;
  await input.write(new TextEncoder().encode("\n"));
  assert.ok(await ended.promise instanceof Error);
  await input.close();
  assert.equal(new TextDecoder().decode((await dropped.output()).stdout), "dropped\n");

  // With another length than announced, and without a grant.
  for (
    const [args, words] of [
      [["upload", "POST", "/upload", "four", "content-length", "5"], /^error invalid: The body has 4 bytes/],
      [["upload", "GET", "/version", "four"], /^error invalid: A GET request has no body/],
      [["upload", "POST", "https://evil.test/", "four"], /^error invalid: .*is not a path/],
      [["upload", "POST", "//evil.test/", "four"], /^error denied: .*two slashes/],
    ] as const
  ) {
    const { stdout } = await product.exec(`${product.store}/bin/kubectl-attack_interfaces`, args);
    assert.match(stdout, words);
  }
  const refused = await product.shell(
    `head -c 300000 /dev/zero | krew-wasm run --allow-cluster=read-only attack-interfaces -- upload POST /api/v1/namespaces/x/configmaps -`,
  );
  assert.match(refused.stdout, /^403 .*krew-wasm does not let the plugin/);
});
