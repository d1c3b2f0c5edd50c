/** `embed_world.ts MODULE WORLD`: embeds a world of wit/ into a core module, like wit-bindgen. One process per module. */

import { fileURLToPath } from "node:url";
import { componentEmbed } from "@bytecodealliance/jco-transpile/wasm-tools";
import { _setPreopens } from "@bytecodealliance/preview2-shim/filesystem";

const [path = "", world = ""] = Deno.args;
// preview2-shim 0.26 gives jco no directory by default, and jco then fails with "failed to get path metadata".
// deno-lint-ignore no-explicit-any -- the types are of the browser build
_setPreopens({ "/": "/" as any });
const binary = await Deno.readFile(path);
await Deno.writeFile(
  path,
  await componentEmbed({ binary, witPath: fileURLToPath(new URL("../wit", import.meta.url)), world }),
);
Deno.exit(0); // preview2-shim's worker thread keeps the process alive
