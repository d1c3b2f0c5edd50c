import { wat } from "../../support/components.ts";
import type { Case, Group } from "../case.ts";
import type { Stage } from "../stage.ts";

/** Runs a file of WebAssembly; says its exit code and how its message begins. */
export async function runFile(
  stage: Stage,
  bytes: Uint8Array,
  flags: readonly string[] = [],
): Promise<{ saw: string; text: string }> {
  const path = `${stage.home}/hostile.wasm`;
  Deno.writeFileSync(path, bytes);
  try {
    const { code, stdout, stderr } = await stage.product.exec(stage.product.command, ["run", ...flags, path]);
    return { saw: String(code), text: stdout + stderr };
  } finally {
    Deno.removeSync(path);
  }
}

/** What must not happen: the marker is what hostile code would print. */
const MARK = "hostile-code-ran";
/** It prints the mark, and does not hold it: the name itself is shown in an error. */
const PRINT = 'console.log(["hostile","code","ran"].join("-"))';
const CODE_TEXT = `'+(()=>{${PRINT};Deno.exit(66)})()+'`;

/** A component with a name at each place where jco writes names into its JavaScript. */
function component(names: { module?: string; field?: string; exported?: string }): string {
  const { module = "m", field = "f", exported = "run" } = names;
  const text = (name: string) => JSON.stringify(name).replaceAll("\\n", "\\0a");
  return `(component
    (core module $inner (func (export ${text(field)})))
    (core instance $inner (instantiate $inner))
    (core module $main
      (import ${text(module)} ${text(field)} (func $f))
      (func (export ${text(exported)}) (result i32) call $f i32.const 0))
    (core instance $main (instantiate $main (with ${text(module)} (instance $inner))))
    (func $run (result (result)) (canon lift (core func $main ${text(exported)})))
    (instance $cli (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $cli)))`;
}

function named(tries: string, names: Parameters<typeof component>[0]): Case {
  return {
    tries,
    async run(stage) {
      const { saw, text } = await runFile(stage, await wat(component(names)));
      if (text.includes(MARK)) return "its code ran";
      return `${saw}, ${
        /could be taken for code/.test(text) ? "named as what could be taken for code" : text
      }`;
    },
    sees: "125, named as what could be taken for code",
    shown: "refused, exit code 125: a name that could be taken for code",
  };
}

/** Becoming code of the host's. */
export const CODE: Group = {
  title: "running outside of WebAssembly",
  cases: [
    {
      tries: "nothing: the component that the next ones are made from",
      run: async (stage) => (await runFile(stage, await wat(component({})))).saw,
      sees: "0",
      shown: "exit code 0",
    },
    named("be code by the name of a core module's import", { module: CODE_TEXT }),
    named("be code by the name of a field", { field: CODE_TEXT }),
    named("be code by the name of an export", { exported: CODE_TEXT }),
    named("be code by a name with a line break", { field: `x\n;${PRINT};//` }),
    named("be code by a name that ends a comment", { module: `*/${PRINT};/*` }),
    named("be code by a name in a template", { exported: `\${${PRINT}}` }),
    {
      tries: "have JavaScript run that was changed after it was made",
      async run(stage) {
        const { store } = stage.product;
        const script = [...Deno.readDirSync(`${store}/compiled`)].map(({ name }) =>
          `${store}/compiled/${name}/plugin.js`
        )
          .find((path) => {
            try {
              return Deno.statSync(path).isFile;
            } catch {
              return false;
            }
          })!;
        const before = Deno.readFileSync(script);
        const { mtime } = Deno.statSync(script);
        Deno.writeTextFileSync(script, `${PRINT};${new TextDecoder().decode(before)}`);
        const { code, stdout, stderr } = await stage.attack("component", ["print", "x"]);
        Deno.writeFileSync(script, before);
        Deno.utimeSync(script, mtime!, mtime!);
        if (stdout.includes(MARK)) return "its code ran";
        return `${code}, ${/compiled form of "attack-component" is broken/.test(stderr) ? "broken" : stderr}`;
      },
      sees: "125, broken",
      shown: "not run, exit code 125: its digest is not the receipt's",
    },
  ],
};
