/**
 * `componentize.ts SOURCE OUT`: makes a component from a TypeScript plugin, with jco. One process for each plugin.
 *
 * It uses StarlingMonkey, which has `fetch`. With QuickJS, components would have a tenth of the size, but componentize-qjs
 * 0.4 can't link our interfaces that use a resource of wasi:io ("mismatched resource types").
 */

import { fileURLToPath } from "node:url";
import { _setPreopens } from "@bytecodealliance/preview2-shim/filesystem";

const root = fileURLToPath(new URL("..", import.meta.url));
const [source = "", out = ""] = Deno.args.slice(0, 2).map((path) =>
  `${path.startsWith("/") ? "" : `${Deno.cwd()}/`}${path}`
);
// preview2-shim 0.26 gives jco no directory by default, and jco then fails with "failed to get path metadata".
// deno-lint-ignore no-explicit-any -- the types are of the browser build
_setPreopens({ "/": "/" as any });
const { componentize } = await import("../node_modules/@bytecodealliance/jco/dist/cmd/componentize.js");
await componentize(source, {
  wit: `${root}wit`,
  worldName: "plugin",
  out,
  backend: "starlingmonkey",
});
Deno.exit(0); // preview2-shim's worker thread keeps the process alive
