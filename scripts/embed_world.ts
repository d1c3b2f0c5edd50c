/** `embed_world.ts MODULE WORLD`: gives a core module the types of a world of wit/, as wit-bindgen does; one process a module. */

import { fileURLToPath } from "node:url";
import { componentEmbed } from "@bytecodealliance/jco-transpile/wasm-tools";
import { _setPreopens } from "@bytecodealliance/preview2-shim/filesystem";

const [path = "", world = ""] = Deno.args;
// preview2-shim 0.26 gives jco no directory unless told to, and jco then says "failed to get path metadata".
// deno-lint-ignore no-explicit-any -- the types are of the browser build
_setPreopens({ "/": "/" as any });
const binary = await Deno.readFile(path);
await Deno.writeFile(
  path,
  await componentEmbed({ binary, witPath: fileURLToPath(new URL("../wit", import.meta.url)), world }),
);
Deno.exit(0); // preview2-shim's worker thread would keep the process
