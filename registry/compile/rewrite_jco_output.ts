/**
 * Turns jco's JavaScript for a component into the script that a run loads. This is the only place that fixes defects
 * and slow code in jco 1.35's output. docs/maintainers/upstream.md describes each defect under the number used here.
 * Pure.
 */

import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import { checkExportNames } from "./export_names.ts";
import { HELPERS, MAX_HELD, TABLE_FUNCTIONS, withTables, withTakes } from "./resource_tables.ts";
import { scriptNames } from "./served_interfaces.ts";
import { splitStatements } from "./statements.ts";

const START = /^"use components";\nexport function instantiate\(/;
const END = /\n\};?\s*\nexport const _util = \{\s*\};?\s*$/;
// J1: every call reads this variable. That is an operation of Deno's and makes streams three to ten times slower.
const DEBUG = "const _debugLog = (...args) => {\n    if (!globalThis?.process?.env?.JCO_DEBUG) { return; }";
// J2: trap.ts and the user need the engine's own message.
const TRAP_WORDS = "if (message !== undefined) { err.message = message; }";

// J11: an empty string takes no memory, but the component may rely on the call of its cabi_realloc.
const EMPTY_STRING = "if (s.length === 0) { return { ptr: 1, len: 0 }; }\n";

/**
 * Turns jco's module into the body of a function, which a run loads (runtime/run/component.ts). V8 compiles a function
 * of 360 KB in a tenth of the time that Deno takes to import such a module.
 *
 * @throws AppError INTERNAL if jco's output has an unknown form, COMPILE_FAILED if it does not parse
 */
export function componentScript(module: string, run: string, imports: readonly string[]): string {
  if (
    !START.test(module) || !END.test(module) || module.split(DEBUG).length !== 2 ||
    module.split("JCO_DEBUG").length !== 2 ||
    !module.includes(TRAP_WORDS) ||
    (module.includes("function _utf8AllocateAndEncode(") && !module.includes(EMPTY_STRING))
  ) throw unknownForm();
  const names = new HostNames(imports);
  names.checkImports(module);
  const body = withoutUnused(withLeanTables(withDirectCalls(
    names,
    module
      // Parentheses make V8 compile the function at once. Without them V8 would parse it twice.
      .replace(START, '"use strict";\nconst instantiate = (function instantiate(')
      .replace(END, "\n});\n")
      .replace(DEBUG, `${HELPERS}const _debugLog = () => {\n    if (true) { return; }`)
      .replace(TRAP_WORDS, "")
      .replace(EMPTY_STRING, "")
      .replace(/^[ \t]+/gm, ""),
  )));
  // A remaining use of jco's tables would not know the tables of resource_tables.ts.
  if (/_createdReps|\+\+captureCnt|^var rep\d+ = handleTable/m.test(body)) throw unknownForm();
  if (/^(?:export|import)\b|\bimport(?:\.meta\b|\s*\()/m.test(body)) {
    throw new AppError("INTERNAL", "jco's output imports or exports what krew-wasm does not know");
  }
  checkExportNames(body);
  const result = `{ run: ${JSON.stringify(run)}, imports: ${JSON.stringify(imports)}, instantiate }`;
  const script = `${body.replace(SILENT, "")}\nreturn ${result};\n`;
  try {
    new Function("console", MAX_HELD, script); // parsed, not run
  } catch (error) {
    throw new AppError("COMPILE_FAILED", `jco made no JavaScript of it: ${printable(messageOf(error), 200)}`);
  }
  return script;
}

/** Lines without effect: comments, the log of each call, and empty lines. */
const SILENT = /^(?:\/\/.*|_debugLog\('\[iface="[^\n]*\(sync, @ enter\)'\);)?\n/gm;

function throwUnknownForm(): never {
  throw unknownForm();
}

function unknownForm(): AppError {
  return new AppError("INTERNAL", "jco's output is of another form than krew-wasm knows");
}

/**
 * The host's functions that a script may name. served_interfaces.ts has compared the component's imports; this class
 * checks the text that runs, because a JavaScript object has more properties than WIT declares.
 */
class HostNames {
  #imports: readonly string[];
  #methods = new Set<string>();

  /** @throws AppError INTERNAL */
  constructor(imports: readonly string[]) {
    this.#imports = imports;
    for (const name of imports) {
      const names = scriptNames(name) ?? unknownName(name);
      for (const method of names.methods) this.#methods.add(method);
    }
  }

  /** Checks what a module takes of `imports`. @throws AppError INTERNAL */
  checkImports(module: string): void {
    const taken = [...module.matchAll(/^[ \t]*const \{ ([^}\n]*) \} = imports\['([^'\n]*)'\];$/gm)];
    if (taken.length !== module.split(/\bimports\[/).length - 1) throw unknownForm();
    for (const [, members = "", name = ""] of taken) {
      if (!this.#imports.includes(name)) throw unknownName(name);
      for (const member of members.split(", ")) {
        const [key = ""] = member.split(": ");
        if (!scriptNames(name)!.members.has(key)) throw unknownName(`${name}.${key}`);
      }
    }
  }

  /**
   * Checks the function that serves an import: a method, a static function, or an imported function. @throws AppError
   * INTERNAL
   */
  checkCall(expression: string): void {
    const [, method] = /^(?:new )?[\w$]+(?:\.(\w+))?\(/.exec(expression) ?? throwUnknownForm();
    if (method !== undefined && !this.#methods.has(method)) throw unknownName(method);
  }
}

function unknownName(name: string): never {
  throw new AppError("INTERNAL", `jco's output calls "${printable(name, 100)}", which no interface has`);
}

/** A function that serves one import: its parameters, its body, and whether it may suspend. */
const TRAMPOLINE =
  /^const _trampoline(\d+) = (async )?function\(([\w, ]*)\) \{\n([^]*?)\n\}\n_trampoline\1\.fnName = '[^'\n]*';\n(_trampoline\1\.manuallyAsync = true;\n)?/gm;
/** Its lowering: the same function behind a task of the component model's concurrency. */
const LOWERING =
  /^let trampoline(\d+) = _trampoline\1\.manuallyAsync \? new WebAssembly\.Suspending\(_suspendingImport\(\d+, (_lowerImportBackwardsCompat\.bind\(\nnull,\n\{\n[^]*?\nimportFn: _trampoline\1,\n\},\n\))\)\) : \2;\n/gm;
/** The program: the same, around the call of a core function that returns 0 or 1. */
const RUN =
  /^(?:async )?function (run(?:\$\d+)?)\(\) \{\n\nconst hostProvided = false;\n[^]*?\nfn: \(\) => (\w+)\(\),\n\}\);\n[^]*?\n\},\n\}\);\n\n\}\n/m;
/** From the lifted parameters to the call: jco makes a task and enters it. */
const CALL = new RegExp(
  "const hostProvided = true;\\n\\nlet parentTask;\\n[^]*?\\n" +
    "(?:const started = task\\.enterSync\\(\\);" +
    "|const started = await task\\.enter\\(\\{ isHost: hostProvided \\}\\);\\n" +
    'if \\(!started\\) \\{\\n[^]*?\\nthrow new Error\\("failed to enter task"\\);\\n\\})' +
    "\\n+let ret;\\n+try \\{\\n(?:(?:ret|const (hostRet\\d+)) = )?(?:await +)?_withGlobalCurrentTaskMeta(?:Async)?\\(\\{\\n" +
    "componentIdx: task\\.componentIdx\\(\\),\\ntaskID: task\\.id\\(\\),\\n" +
    "fn: \\(\\) => _trackHostOperation\\(\\(\\) => ([^]*?)\\),\\n\\}\\)\\n;\\n",
);
/** The end of a function that can return an error… */
const CATCHES =
  /^ret = (hostRet\d+) !== null && typeof \1 === 'object' && \(\1\.tag === 'ok' \|\| \1\.tag === 'err'\)\n\? \1\n: \{ tag: 'ok', val: \1\};\n\} catch \(e\) \{\nif \(getOrCreateAsyncState\(\d+\)\.markTrapped\(e\)\) \{ throw e; \}\nret = \{ tag: 'err', val: getErrorPayload\(e\) \};\n\}\n/;
/** …and of one that cannot. */
const THROWS =
  /^\} catch \(err\) \{\n\n_debugLog\([^]*?\n\}\);\ngetOrCreateAsyncState\(\d+\)\.markTrapped\(err\);\ntask\.setErrored\(err\);\ntask\.reject\(err\);\ntask\.exit\(\);\n(?:throw err;|return task\.completionPromise\(\);)\n\n\}\n/;
const RETURN =
  /\n_debugLog\([^\n]*\[Instruction::Return\]', \{\n[^]*?\n\}\);\ntask\.resolve\(\[[^\n]*\]\);\ntask\.exit\(\);(\nreturn [^\n]*)?$/;
// jco's loop that gives back resources made for the call. This script makes none (see withLeanTables), so it is
// removed.
const BORROWS_GIVEN_BACK =
  /for \(const entry of curResourceBorrows\) \{\n[^]*?\nrsc\[symbolRscHandle\] = undefined;\n\}\ncurResourceBorrows = \[\];(?:\n|$)/;

/**
 * J3: for each call of a WASI 0.2 import, jco makes a task, a subtask, a waitable and five promises. WASI 0.2 knows no
 * tasks. jco also suspends the component when the answer is ready. Here the import is called directly, and the
 * component is suspended only if the call returns a promise.
 */
function withDirectCalls(names: HostNames, body: string): string {
  // Only WASI 0.3 needs tasks, and component_reader.ts refuses it.
  if (/^(?:isAsync|funcTypeIsAsync): true,$/m.test(body)) throw unknownForm();
  const direct = new Set<string>();
  const called = body.replace(
    TRAMPOLINE,
    (_, index: string, _async, parameters: string, inner: string, waits: string | undefined) => {
      direct.add(index);
      return `const _trampoline${index} = function(${parameters}) {\n${
        directCall(names, inner, waits !== undefined)
      }\n}\n${waits ?? ""}`;
    },
  );
  const lowered = called.replace(LOWERING, (_, index: string) => {
    if (!direct.delete(index)) throw unknownForm();
    return `let trampoline${index} = _trampoline${index}.manuallyAsync ? new WebAssembly.Suspending(_trampoline${index}) : _trampoline${index};\n`;
  });
  if (direct.size > 0) throw unknownForm();
  return lowered.replace(RUN, (_, name: string, core: string) =>
    `async function ${name}() {
const code = await ${core}();
if (code === 1) throw undefined;
if (code !== 0) throw new WebAssemblyRuntimeError('run returned neither ok nor err');
}
`).replaceAll(/^curResourceBorrows\.push\(rsc\d+\);\n/gm, "");
}

function directCall(names: HostNames, inner: string, waits: boolean): string {
  const call = CALL.exec(inner);
  if (!call) throw unknownForm();
  const [{ length }, , expression = ""] = call;
  names.checkCall(expression);
  const lift = withTakes(inner.slice(0, call.index));
  let rest = inner.slice(call.index + length);
  const catches = CATCHES.exec(rest);
  const matched = catches ?? THROWS.exec(rest);
  const returned = RETURN.exec(rest);
  if (!matched || !returned) throw unknownForm();
  rest = rest.slice(matched[0].length, returned.index).replace(BORROWS_GIVEN_BACK, "") + (returned[1] ?? "");
  if (/\btask\b|\bawait\b/.test(rest) || /\btask\b|\bawait\b/.test(lift)) throw unknownForm();
  const settle = `const succeed = (ret) => complete(
ret !== null && typeof ret === 'object' && (ret.tag === 'ok' || ret.tag === 'err') ? ret : { tag: 'ok', val: ret});
const fail = (e) => complete({ tag: 'err', val: getErrorPayload(e) });\n`;
  if (waits) {
    return `${lift}const complete = (ret) => {\n${rest}\n};\n${
      catches
        ? `${settle}let answer;
try {
answer = ${expression};
} catch (e) {
return fail(e);
}
return answer instanceof Promise ? answer.then(succeed, fail) : succeed(answer);`
        : `const answer = ${expression};
return answer instanceof Promise ? answer.then(complete) : complete(answer);`
    }`;
  }
  return catches
    ? `${lift}let ret;
try {
const answer = ${expression};
ret = answer !== null && typeof answer === 'object' && (answer.tag === 'ok' || answer.tag === 'err')
? answer
: { tag: 'ok', val: answer};
} catch (e) {
ret = { tag: 'err', val: getErrorPayload(e) };
}
${rest}`
    : `${lift}const ret = ${expression};\n${rest}`;
}

/** The bytes that a component writes, copied. */
const WRITTEN =
  /^var (result\d+) = new Uint8Array\((memory\d+)\.buffer\.slice\((ptr\d+), \3 \+ (len\d+) \* 1\)\);\n(?=_debugLog\('\[iface="wasi:io\/streams@[\d.]+", function="\[method\]output-stream\.)/gm;

/**
 * Fixes the handle tables and copies:
 *
 * - J4: a dropped or unknown handle becomes an empty object, on which the host then fails. The component model requires
 *   a trap.
 * - J5: a set keeps every handle that ever existed.
 * - J6: nothing limits the number of handles, or the size of arguments.
 * - J7: written bytes are copied first, even if a sink takes them before the component continues
 *   (runtime/wasi/streams/streams.ts). Memory beyond 2 GiB is read wrongly.
 * - J10: representations run out.
 * - J12: a component can drop a number that is not a handle.
 * - J13: a handle that one part of a component lends to another becomes a different handle.
 */
function withLeanTables(body: string): string {
  return withTables(body.replace(
    WRITTEN,
    (_, result, memory, pointer, length) =>
      `var ${result} = new Uint8Array(${memory}.buffer, ${pointer} >>> 0, ${length} >>> 0);\n`,
  ));
}

/**
 * J8: every component carries jco's whole support for concurrency, which is most of a small component. V8 reads all of
 * it at every start, so unused functions and classes are removed.
 */
function withoutUnused(body: string): string {
  const start = body.indexOf("\n", body.indexOf("const instantiate = ")) + 1;
  const end = body.indexOf("\nconst module0 = getCoreModule(");
  if (end < start) throw unknownForm();
  const statements = splitStatements(body.slice(start, end)).map((written) => {
    const [, name] = /^\s*(?:async )?(?:function|class|const|let) ([\w$]+)/.exec(written) ?? [];
    const text = name !== undefined && Object.hasOwn(TABLE_FUNCTIONS, name)
      ? TABLE_FUNCTIONS[name]!
      : written;
    return { text, name, words: wordsOf(text) };
  });
  const named = wordsOf(body.slice(end));
  for (let grew = true; grew;) {
    grew = false;
    for (const each of statements) {
      if (each.words.size === 0 || !(each.name === undefined || named.has(each.name))) continue;
      for (const word of each.words) named.add(word);
      each.words = new Set();
      grew = true;
    }
  }
  const kept = statements.filter(({ name }) => name === undefined || named.has(name)).map(({ text }) => text);
  return body.slice(0, start) + kept.join("") + body.slice(end);
}

function wordsOf(text: string): Set<string> {
  return new Set(text.match(/[A-Za-z_$][\w$]*/g) ?? []);
}
