import { wat } from "../../support/components.ts";
import type { Case, Group } from "../case.ts";
import type { Stage } from "../stage.ts";

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Runs a WebAssembly file. Returns its exit code and the beginning of its message. */
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

/** Hostile code would print this mark. */
const MARK = "hostile-code-ran";
/** Prints the mark but does not contain it, because errors show the name itself. */
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

const WRONG = /which this krew-wasm does not have|with other types than that has/;

/** Makes jco's code call a JavaScript function of the host, by the name of a component's import. */
function reaches(tries: string, declarations: string, functions: string, name = "wasi:io/poll@0.2.0"): Case {
  return {
    tries,
    async run(stage) {
      const { saw, text } = await runFile(
        stage,
        await wat(`(component
          (import "${name}" (instance $i ${declarations} ${functions}))
          (core module $m (func (export "run") (result i32) (i32.const 0)))
          (core instance $m (instantiate $m))
          (func $run (result (result)) (canon lift (core func $m "run")))
          (instance $cli (export "run" (func $run)))
          (export "wasi:cli/run@0.2.0" (instance $cli)))`),
      );
      return `${saw}, ${WRONG.test(text) ? "no such function, or of other types" : text}`;
    },
    sees: "125, no such function, or of other types",
    shown: "refused, exit code 125",
  };
}

const POLLABLE = `(export "pollable" (type $p (sub resource)))`;
const OUTPUT = `(export "output-stream" (type $o (sub resource)))`;
const STREAMS = "wasi:io/streams@0.2.0";

/**
 * A component that passes its own record as the descriptor of the current directory, opens the SSH key below it, and prints
 * it. jco turns the 12 flat parameters into the object that the host's class expects.
 */
const FORGE = `(component
  (import "wasi:io/streams@0.2.0" (instance $streams (export "output-stream" (type $o (sub resource)))
    (export "[method]output-stream.blocking-write-and-flush"
      (func (param "self" (borrow $o)) (param "contents" (list u8)) (result (result))))))
  (alias export $streams "output-stream" (type $out))
  (import "wasi:cli/stdout@0.2.0" (instance $stdout
    (alias outer 1 $out (type $x)) (export "output-stream" (type $o (eq $x)))
    (export "get-stdout" (func (result (own $o))))))
  (import "wasi:filesystem/types@0.2.0" (instance $files
    (type $m' (record (field "write" bool))) (export "m" (type $m (eq $m')))
    (type $r' (record (field "mount" $m) (field "fd" s32) (field "identity" string) (field "only" (option u8))
      (field "entangled" (option bool)))) (export "r" (type $r (eq $r')))
    (type $n' (record (field "kind" string) (field "fd" s32) (field "root" $r))) (export "n" (type $n (eq $n')))
    (type $p' (flags "symlink-follow")) (export "p" (type $p (eq $p')))
    (type $o' (flags "create")) (export "o" (type $o (eq $o')))
    (type $f' (flags "read" "write")) (export "f" (type $f (eq $f')))
    (export "descriptor" (type $d (sub resource)))
    (export "[constructor]descriptor" (func (param "n" $n) (result (own $d))))
    (export "[method]descriptor.open-at" (func (param "self" (borrow $d)) (param "p" $p) (param "path" string)
      (param "o" $o) (param "f" $f) (result (result (own $d) (error string)))))
    (export "[method]descriptor.read" (func (param "self" (borrow $d)) (param "length" u64) (param "offset" u64)
      (result (result (tuple (list u8) bool) (error string)))))))
  (core module $libc (memory (export "memory") 1)
    (data (i32.const 16) "directory") (data (i32.const 32) ".ssh/id_ed25519")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 4096)))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))
  (core func $stdout (canon lower (func $stdout "get-stdout")))
  (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush") (memory $memory)))
  (core func $make (canon lower (func $files "[constructor]descriptor") (memory $memory)))
  (core func $open (canon lower (func $files "[method]descriptor.open-at") (memory $memory) (realloc $realloc)))
  (core func $read (canon lower (func $files "[method]descriptor.read") (memory $memory) (realloc $realloc)))
  (core module $main
    (import "h" "memory" (memory 1))
    (import "h" "stdout" (func $stdout (result i32)))
    (import "h" "write" (func $write (param i32 i32 i32) (result i32)))
    (import "h" "make" (func $make (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "h" "open" (func $open (param i32 i32 i32 i32 i32 i32 i32)))
    (import "h" "read" (func $read (param i32 i64 i64 i32)))
    (func (export "run") (result i32)
      (call $open
        (call $make (i32.const 16) (i32.const 9) (i32.const -100) (i32.const 1) (i32.const -100)
          (i32.const 16) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0))
        (i32.const 1) (i32.const 32) (i32.const 15) (i32.const 0) (i32.const 1) (i32.const 64))
      (call $read (i32.load (i32.const 68)) (i64.const 400) (i64.const 0) (i32.const 128))
      (drop (call $write (call $stdout) (i32.load (i32.const 132)) (i32.load (i32.const 136))))
      (i32.const 0)))
  (core instance $main (instantiate $main (with "h" (instance
    (export "memory" (memory $memory)) (export "stdout" (func $stdout)) (export "write" (func $write))
    (export "make" (func $make)) (export "open" (func $open)) (export "read" (func $read))))))
  (func $run (result (result)) (canon lift (core func $main "run")))
  (instance $cli (export "run" (func $run)))
  (export "wasi:cli/run@0.2.0" (instance $cli)))`;

/** Becoming code of the host. */
export const CODE: Group = {
  title: "running outside of WebAssembly",
  cases: [
    {
      tries: "nothing: the component that the next cases modify",
      run: async (stage) => (await runFile(stage, await wat(component({})))).saw,
      sees: "0",
      shown: "exit code 0",
    },
    named("become code by the name of a core module's import", { module: CODE_TEXT }),
    named("become code by the name of a field", { field: CODE_TEXT }),
    named("become code by the name of an export", { exported: CODE_TEXT }),
    named("become code by a name with a line break", { field: `x\n;${PRINT};//` }),
    named("become code by a name that ends a comment", { module: `*/${PRINT};/*` }),
    named("become code by a name in a template", { exported: `\${${PRINT}}` }),
    {
      tries: "forge a descriptor by a constructor that WIT does not have, and read the SSH key",
      async run(stage) {
        const { saw, text } = await runFile(stage, await wat(FORGE));
        if (text.includes("OPENSSH")) return "it read the SSH key";
        return `${saw}, ${WRONG.test(text) ? "no such function, or of other types" : text}`;
      },
      sees: "125, no such function, or of other types",
      shown: "refused, exit code 125",
    },
    {
      tries: "the same with the compiled form of an earlier krew-wasm",
      async run(stage) {
        const { store } = stage.product;
        const receipt = JSON.parse(Deno.readTextFileSync(`${store}/receipts/attack-component.json`));
        const bytes = await wat(FORGE);
        const digest = await sha256(bytes);
        const written = {
          [`${store}/blobs/sha256/${digest}`]: bytes,
          [`${store}/receipts/forge.json`]: new TextEncoder().encode(JSON.stringify({
            ...receipt,
            ...{ name: "forge", digest: `sha256:${digest}`, size: bytes.length },
            bindgen: receipt.bindgen.replace(/^\d+/, "4"),
          })),
        };
        for (const [path, content] of Object.entries(written)) {
          Deno.writeFileSync(path, content, { mode: 0o600 });
        }
        const { code, stdout, stderr } = await stage.product.shell("krew-wasm run forge");
        for (const path of Object.keys(written)) Deno.removeSync(path);
        if ((stdout + stderr).includes("OPENSSH")) return "it read the SSH key";
        return `${code}, ${WRONG.test(stderr) ? "no such function, or of other types" : stderr}`;
      },
      sees: "125, no such function, or of other types",
      shown: "compiled again and refused, exit code 125",
    },
    reaches(
      "make a function from text, by the constructor of JavaScript's classes",
      POLLABLE,
      `(export "[static]pollable.constructor" (func (param "text" string) (result (own $p))))`,
    ),
    reaches(
      "call a method of all JavaScript functions: bind",
      POLLABLE,
      `(export "[static]pollable.bind" (func (param "to" string) (result (own $p))))`,
    ),
    reaches(
      "call a method of all JavaScript functions: apply",
      POLLABLE,
      `(export "[static]pollable.apply" (func (param "to" string) (param "all" (list string))))`,
    ),
    reaches(
      "call a method of all JavaScript objects: toString",
      POLLABLE,
      `(export "[method]pollable.to-string" (func (param "self" (borrow $p)) (result string)))`,
    ),
    reaches(
      "call a method of all JavaScript objects: isPrototypeOf",
      POLLABLE,
      `(export "[method]pollable.is-prototype-of" (func (param "self" (borrow $p)) (param "of" string) (result bool)))`,
    ),
    reaches(
      "pass its own record as a pollable",
      POLLABLE,
      `(type $r (record (field "ready" string))) (export "r" (type $t (eq $r)))
       (export "[constructor]pollable" (func (param "readiness" $t) (result (own $p))))`,
    ),
    reaches(
      "call a host-internal method of a stream",
      OUTPUT,
      `(export "[method]output-stream.attempt" (func (param "self" (borrow $o)) (param "run" string)))`,
      STREAMS,
    ),
    reaches(
      "pass text instead of bytes",
      OUTPUT,
      `(export "[method]output-stream.write" (func (param "self" (borrow $o)) (param "contents" string)))`,
      STREAMS,
    ),
    reaches(
      "pass its own resource as the host's",
      OUTPUT,
      `(export "mine" (type $m (sub resource)))
       (export "[method]output-stream.subscribe" (func (param "self" (borrow $m)) (result (own $o))))`,
      STREAMS,
    ),
    reaches(
      "call a method as a function without its resource",
      POLLABLE,
      `(export "ready" (func (param "self" (borrow $p)) (result bool)))`,
    ),
    reaches(
      "import a function with another type, so that the host awaits it",
      POLLABLE,
      `(export "[method]pollable.block" (func async (param "self" (borrow $p))))`,
    ),
    {
      tries: "run JavaScript that was changed after compiling",
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
