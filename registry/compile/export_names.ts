/** Names that a component's exports take in jco's JavaScript. Pure. */

import { AppError } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import { declaredNames, splitStatements } from "./statements.ts";

const BEGIN = "const instantiate = ";
const INNER = /^let [\w$]+= ?\(function\* _initGenerator \(\) \{$/m;
const EXPORTED = /^(?:async )?(?:function|class) ([\w$]+)/gm;
/** Parameters of the script and of its functions. */
const PARAMETERS = ["instantiate", "getCoreModule", "imports", "instantiateCore", "console"];

/**
 * Refuses a component whose exports would take the place of something that the script itself uses. jco declares each
 * exported function and resource by its own name, in a scope inside of the one that has jco's and krew-wasm's helpers,
 * the host's functions and JavaScript's globals. The script would call the component instead of the helper, and hand
 * the host whatever object the component made.
 *
 * @throws AppError PLUGIN_UNSUPPORTED; INTERNAL if the script has an unknown form
 */
export function checkExportNames(script: string): void {
  const start = script.indexOf("\n", script.indexOf(BEGIN)) + 1;
  const inner = INNER.exec(script);
  if (start === 0 || !inner) {
    throw new AppError("INTERNAL", "jco's output is of another form than krew-wasm knows");
  }
  const outer = declaredNames(splitStatements(script.slice(start, inner.index)));
  for (const name of PARAMETERS) outer.add(name);
  const seen = new Set<string>();
  for (const [, name = ""] of script.slice(inner.index).matchAll(EXPORTED)) {
    if (outer.has(name) || seen.has(name) || Object.hasOwn(globalThis, name)) {
      throw new AppError(
        "PLUGIN_UNSUPPORTED",
        `It exports "${printable(name, 100)}", a name that its JavaScript needs for something else`,
        { hint: "rename the function or the resource; a plugin needs no export but wasi:cli/run" },
      );
    }
    seen.add(name);
  }
}
