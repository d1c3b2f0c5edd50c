// deno-lint-ignore-file no-console -- a script prints to its user

/**
 * `deno task wit [--check]`: generates the host's TypeScript types with jco, and the table of the interfaces that plugins
 * may import, from wit/ into wit/generated/. With --check it fails if the files are stale.
 */

import { fileURLToPath } from "node:url";
import { $init, generateTypes } from "@bytecodealliance/jco-transpile/component";
import { _setPreopens } from "@bytecodealliance/preview2-shim/filesystem";
import { servedInterfaces } from "./served_interfaces.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const directory = `${root}wit/generated`;

/** Generates the files. Returns them by path relative to wit/generated. */
export async function generate(): Promise<Map<string, string>> {
  // preview2-shim 0.26 gives jco no directory by default, and jco then fails with "failed to get path metadata".
  // deno-lint-ignore no-explicit-any -- the types are of the browser build
  _setPreopens({ "/": "/" as any });
  await $init;
  const files = generateTypes("plugin", {
    wit: { tag: "path", val: `${root}wit` },
    world: "plugin",
    instantiation: { tag: "async" },
  });
  // jco's declaration files import each other as .js, but no JavaScript exists.
  const text = (bytes: Uint8Array) =>
    new TextDecoder().decode(bytes).replaceAll(/'(\.[^']*)\.js'/g, "'$1.d.ts'");
  return new Map([
    ...files.map(([name, bytes]): [string, string] => [name, text(bytes)]),
    ["served.ts", await servedInterfaces()],
  ]);
}

/** Names of the stale files. */
async function staleFiles(): Promise<string[]> {
  const stale: string[] = [];
  for (const [name, text] of await generate()) {
    const there = await Deno.readTextFile(`${directory}/${name}`).catch(() => undefined);
    if (there !== text) stale.push(name);
  }
  return stale;
}

if (import.meta.main) {
  if (Deno.args.includes("--check")) {
    const stale = await staleFiles();
    for (const name of stale) console.error(`wit/generated/${name} is stale: deno task wit makes it anew`);
    Deno.exit(stale.length > 0 ? 1 : 0);
  }
  for (const [name, text] of await generate()) {
    await Deno.mkdir(`${directory}/${name}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(`${directory}/${name}`, text);
  }
  Deno.exit(0); // preview2-shim's worker thread keeps the process alive
}
