/**
 * The tables of a component's handles, and how text and bytes are taken of its memory, as JavaScript that stands in the
 * place of jco's (glue.ts; docs/upstream.md). Component model, CanonicalABI.md: `Table`, `lift_own`, `lift_borrow`,
 * `canon resource.drop`. Pure.
 *
 * A table is an array of numbers, two for each handle, as jco's: what the handle is, then the resource's representation, of
 * 32 bits. The first says `OWN`, `BORROW`, or `FREE` with the next handle that is free; at 0 that list begins.
 */

/** The most resources (streams, pollables, descriptors, …) that a component, all parts of it together, may hold at once. */
export const MAX_HANDLES = 65536;
/** The most that one list may hold, other than of bytes: handles to poll, headers. */
export const MAX_LIST = 65536;

/** Functions of jco's by their name, as they are here. */
export const TABLE_FUNCTIONS: Readonly<Record<string, string>> = {
  rscTableCreateOwn: `function rscTableCreateOwn(table, rep) {
return addHandle(table, OWN, rep);
}
`,
  rscTableCreateBorrow: `function rscTableCreateBorrow(table, rep) {
return addHandle(table, BORROW, rep);
}
`,
  rscTableGet: `function rscTableGet(table, handle) {
return { rep: repOf(table, handle), own: table[handle << 1] === OWN };
}
`,
  rscTableRemove: `function rscTableRemove(table, handle) {
const rep = repOf(table, handle);
const own = table[handle << 1] === OWN;
table[handle << 1] = table[0];
table[(handle << 1) + 1] = 0;
table[0] = handle | FREE;
held--;
return { rep, own };
}
`,
  throwInvalidBool: `function throwInvalidBool() {
throw wrong('no bool');
}
`,
  resourceTransferBorrow: `function resourceTransferBorrow(handle, fromTid, toTid) {
const rep = repOf(HANDLE_TABLES[fromTid], handle);
const table = HANDLE_TABLES[toTid] ??= [FREE, 0];
return table.defines ? rep : addHandle(table, BORROW, rep);
}
`,
  resourceTransferOwn: `function resourceTransferOwn(handle, fromTid, toTid) {
const { rep, own } = rscTableRemove(HANDLE_TABLES[fromTid], handle);
if (!own) throw unknownHandle(handle);
return addHandle(HANDLE_TABLES[toTid] ??= [FREE, 0], OWN, rep);
}
`,
};

/** What those need, and the code that is rewritten. */
export const HELPERS = `const OWN = 0, BORROW = 1, FREE = 1 << 30;
const trap = (what) => new WebAssembly.RuntimeError(what);
const wrong = (what) => trap('what it passed is wrong: ' + what);
const unknownHandle = (handle) => trap('unknown handle index ' + handle);
let held = 0;
const addHandle = (table, kind, rep) => {
if (++held > ${MAX_HANDLES}) throw trap(
'it holds ${MAX_HANDLES} resources (streams, pollables, descriptors), which it never dropped');
const free = table[0] & ~FREE;
if (free === 0) {
table.push(kind, rep);
return (table.length >> 1) - 1;
}
table[0] = table[free << 1];
table[free << 1] = kind;
table[(free << 1) + 1] = rep;
return free;
};
const repOf = (table, handle) => {
if (!(handle > 0 && handle < table.length >> 1) || table[handle << 1] >= FREE) throw unknownHandle(handle);
return table[(handle << 1) + 1];
};
const resourceNew = (table) => {
table.defines = true;
return (rep) => addHandle(table, OWN, rep);
};
const unusedRep = (resources, last) => {
do last = last < 0x3fffffff ? last + 1 : 1; while (resources.has(last));
return last;
};
let taken = 0;
const take = (memory, length) => {
taken += length;
if (taken > memory.buffer.byteLength) throw trap('it passes more at once than its memory holds');
};
const takeText = (memory, pointer, length) => {
take(memory, length >>> 0);
return TEXT_DECODER_UTF8.decode(new Uint8Array(memory.buffer, pointer >>> 0, length >>> 0));
};
const takeBytes = (memory, pointer, length) => {
take(memory, length >>> 0);
return new Uint8Array(memory.buffer, pointer >>> 0, length >>> 0).slice();
};
const takeList = (length) => {
if (length >>> 0 > ${MAX_LIST}) throw trap('it passes a list of ' + (length >>> 0) + ', more than ${MAX_LIST}');
};
`;

/** A resource that is lifted: by which handle of which table, and whether it is given or lent. */
const LIFTED =
  /^var (rep\d+) = (handleTable\d+)\[\((handle\d+) << 1\) \+ 1\] & ~T_FLAG;\nvar (rsc\d+) = (captureTable\d+)\.get\(\1\);\nif \(!\4\) \{\n\4 = Object\.create\([\w$]+\.prototype\);\nObject\.defineProperty\(\4, symbolRscHandle, \{ writable: true, value: \3\}\);\nObject\.defineProperty\(\4, symbolRscRep, \{ writable: true, value: \1\}\);\n\}\n(else \{\n\5\.delete\(\1\);\n\}\nrscTableRemove\(\2, \3\);\n)?/gm;
/** A resource of the host's that is lowered: the number it gets. */
const CAPTURED = /\|\| \+\+(captureCnt(\d+));/g;
const NEW = /^(const trampoline\d+ = )rscTableCreateOwn\.bind\(null, (handleTable\d+)\);$/gm;
const REMEMBERED = /^handleTable\d+\._createdReps = new Set\(\);\n/gm;
/** Calls between components are told to jco's tasks, of which WASI 0.2 has none. */
const CALLS =
  /^(const trampoline\d+ = )(?:_symmetricSyncGuestCall(?:Enter|Exit)|_conditionalSuspending3I32ToVoid\(\n\(callerComponentIdx, calleeIsAsync, calleeComponentIdx\) => _symmetricSyncGuestCallEnter\([^\n]*\n[^\n]*\n\));$/gm;
const TRAP = "throw new TypeError('Trap');";

/** A component's code over these tables. */
export function withTables(body: string): string {
  return body
    .replace(
      LIFTED,
      (_, rep, table, handle, resource, resources, own) =>
        `var ${rep} = repOf(${table}, ${handle});\nvar ${resource} = ${resources}.get(${rep});\nif (!${resource}) throw unknownHandle(${handle});\n${
          own === undefined
            ? ""
            : `if (!rscTableRemove(${table}, ${handle}).own) throw unknownHandle(${handle});\n${resources}.delete(${rep});\n`
        }`,
    )
    .replace(CAPTURED, (_, last, of) => `|| (${last} = unusedRep(captureTable${of}, ${last}));`)
    .replace(NEW, (_, start, table) => `${start}resourceNew(${table});`)
    .replace(REMEMBERED, "")
    .replace(CALLS, (_, start) => `${start}() => {};`)
    .replaceAll(TRAP, "throw trap('it called another of its parts with what can not be passed');");
}

const TEXT = /TEXT_DECODER_UTF8\.decode\(new Uint8Array\((memory\d+)\.buffer, (ptr\d+), (len\d+)\)\)/g;
const BYTES = /new Uint8Array\((memory\d+)\.buffer\.slice\((ptr\d+), \2 \+ (len\d+) \* 1\)\)/g;
const LIST = /^var result\d+ = \[\];\nfor \(let i = 0; i < (len\d+); i\+\+\) \{$/gm;
/** What ends a component that passes what is none. */
const WRONG = /throw new TypeError\(/g;

/**
 * The code by which one call takes what it is passed. What it takes is no more than the memory has, however often the
 * component names the same bytes.
 */
export function withTakes(lift: string): string {
  const limited = lift
    .replace(TEXT, (_, memory, pointer, length) => `takeText(${memory}, ${pointer}, ${length})`)
    .replace(BYTES, (_, memory, pointer, length) => `takeBytes(${memory}, ${pointer}, ${length})`)
    .replace(LIST, (loop, length) => loop.replace("\n", `\ntakeList(${length});\n`))
    .replace(WRONG, "throw wrong(");
  return limited.includes("take") ? `taken = 0;\n${limited}` : limited;
}
