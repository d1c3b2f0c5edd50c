// deno-lint-ignore-file no-console -- a script talks to who runs it

/**
 * `deno task wit [--check]`: generates the host's TypeScript types in wit/generated/ from wit/, with jco, and the table of
 * what plugins may import; with --check it fails when what is there is not what would be generated.
 */

import { fileURLToPath } from "node:url";
import { $init, generateTypes } from "@bytecodealliance/jco-transpile/component";
import { _setPreopens } from "@bytecodealliance/preview2-shim/filesystem";
import { servedInterfaces } from "./served_interfaces.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const directory = `${root}wit/generated`;

/** The generated files by name, relative to wit/generated. */
export async function generate(): Promise<Map<string, string>> {
  // preview2-shim 0.26 gives jco no directory unless told to, and jco then says "failed to get path metadata".
  // deno-lint-ignore no-explicit-any -- the types are of the browser build
  _setPreopens({ "/": "/" as any });
  await $init;
  const files = generateTypes("plugin", {
    wit: { tag: "path", val: `${root}wit` },
    world: "plugin",
    instantiation: { tag: "async" },
  });
  // jco writes declaration files that name each other by the JavaScript they stand for, of which there is none.
  const text = (bytes: Uint8Array) =>
    new TextDecoder().decode(bytes).replaceAll(/'(\.[^']*)\.js'/g, "'$1.d.ts'");
  return new Map([
    ...files.map(([name, bytes]): [string, string] => [name, text(bytes)]),
    ["served.ts", await servedInterfaces()],
  ]);
}

/** Names of the generated files that differ from what is there. */
export async function staleFiles(): Promise<string[]> {
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
  Deno.exit(0); // preview2-shim's worker thread would keep the process
}
