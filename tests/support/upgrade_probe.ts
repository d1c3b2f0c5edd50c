// deno-lint-ignore-file no-console -- a script talks to who runs it

/** `upgrade_probe.ts KUBECONFIG PATH`: prints channel 1 of an upgraded connection, in its own process. */

import { open } from "./connection.ts";

const [config = "", path = ""] = Deno.args;
const { cluster } = await open(await Deno.readTextFile(config));
try {
  const answer = await (await cluster()).upgrade({
    url: path,
    headers: [],
    protocols: ["v5.channel.k8s.io"],
  });
  if (!("upgraded" in answer)) throw new Error(`refused with ${answer.refused.status}`);
  const buffer = new Uint8Array(65536);
  const count = await answer.upgraded.input(1).read(buffer);
  console.log(new TextDecoder().decode(buffer.subarray(0, count)).trim());
} catch (error) {
  console.log((error as { code?: string }).code ?? String(error));
}
Deno.exit(0);
