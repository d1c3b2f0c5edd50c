/**
 * JavaScript that replaces jco's handle tables and jco's copying of text and bytes from a component's memory
 * (rewrite_jco_output.ts; docs/maintainers/upstream.md). Component model, CanonicalABI.md: `Table`, `lift_own`,
 * `lift_borrow`, `canon resource.drop`. Pure.
 *
 * A table is an array with two numbers for each handle, as in jco: the handle's state, then the resource's 32-bit
 * representation. The state is `OWN`, `BORROW`, or `FREE` with the next free handle. The list of free handles begins at
 * 0.
 *
 * The host returns some resources again before the component has dropped them: a stream's pollable and the standard
 * streams (runtime/wasi/p2/). Such a handle is one more reference to the same resource: a bit in a block of 32, from
 * REPEATS on. StarlingMonkey's leaked handles (docs/maintainers/upstream.md, M1) then cost almost nothing, and each of
 * them may still be used and dropped.
 */

import { AppError } from "../../runtime/base/errors.ts";

/**
 * The parameter by which a run tells the script how much host memory the component's resources (streams, pollables,
 * descriptors, …) may take together, over all of its parts. Bytes.
 */
export const MAX_HELD = "$maxHeld";
/** Host memory of one resource, including everything that belongs to it. Bytes. */
export const RESOURCE_SIZE = 1024;
/** Cost of 32 handles of one resource, beyond its first handle. Bytes. */
const BLOCK_SIZE = 16;
/** The most items of a list, except a list of bytes: handles to poll, headers. */
export const MAX_LIST = 65536;

/** Replacements of jco's functions, by name. */
export const TABLE_FUNCTIONS: Readonly<Record<string, string>> = {
  rscTableCreateOwn: `function rscTableCreateOwn(table, rep) {
return $addHandle(table, $OWN, rep);
}
`,
  rscTableCreateBorrow: `function rscTableCreateBorrow(table, rep) {
return $addHandle(table, $BORROW, rep);
}
`,
  rscTableGet: `function rscTableGet(table, handle) {
return { rep: $repOf(table, handle), own: handle >= $REPEATS || table[handle << 1] === $OWN };
}
`,
  rscTableRemove: `function rscTableRemove(table, handle) {
const rep = $repOf(table, handle);
if (handle >= $REPEATS) {
$removeRepeat(table.repeats, handle);
return { rep, own: true, last: $isLast(table.repeats, rep) };
}
const own = table[handle << 1] === $OWN;
table[handle << 1] = table[0];
table[(handle << 1) + 1] = 0;
table[0] = handle | $FREE;
$held -= $RESOURCE_SIZE;
return { rep, own, last: own && (table.repeats === undefined || $isLast(table.repeats, rep)) };
}
`,
  throwInvalidBool: `function throwInvalidBool() {
throw $wrong('no bool');
}
`,
  resourceTransferBorrow: `function resourceTransferBorrow(handle, fromTid, toTid) {
const rep = $repOf(HANDLE_TABLES[fromTid], handle);
const table = HANDLE_TABLES[toTid] ??= [$FREE, 0];
return table.defines ? rep : $addHandle(table, $BORROW, rep);
}
`,
  resourceTransferOwn: `function resourceTransferOwn(handle, fromTid, toTid) {
const { rep, own } = rscTableRemove(HANDLE_TABLES[fromTid], handle);
if (!own) throw $unknownHandle(handle);
return $addHandle(HANDLE_TABLES[toTid] ??= [$FREE, 0], $OWN, rep);
}
`,
};

/** Helpers of those functions and of the rewritten code. */
export const HELPERS = `const $OWN = 0, $BORROW = 1, $FREE = 1 << 30;
const $trap = (what) => new WebAssembly.RuntimeError(what);
const $wrong = (what) => $trap('what it passed is wrong: ' + what);
const $unknownHandle = (handle) => $trap('unknown handle index ' + handle);
const $RESOURCE_SIZE = ${RESOURCE_SIZE}, $REPEATS = 1 << 28;
let $held = 0;
const $hold = (size) => {
$held += size;
if ($held > ${MAX_HELD}) throw $trap(
'it holds more than ' + Math.floor(${MAX_HELD} / $RESOURCE_SIZE) + ' resources (streams, pollables, descriptors), which it never dropped');
};
const $addHandle = (table, kind, rep) => {
$hold($RESOURCE_SIZE);
const free = table[0] & ~$FREE;
if (free === 0) {
table.push(kind, rep);
return (table.length >> 1) - 1;
}
table[0] = table[free << 1];
table[free << 1] = kind;
table[(free << 1) + 1] = rep;
return free;
};
const $repOf = (table, handle) => {
if (handle >= $REPEATS && $isRepeat(table.repeats, handle)) return table.repeats.reps[(handle - $REPEATS) >>> 5];
if (!(handle > 0 && handle < table.length >> 1) || table[handle << 1] >= $FREE) throw $unknownHandle(handle);
return table[(handle << 1) + 1];
};
const $resourceNew = (table) => {
table.defines = true;
return (rep) => $addHandle(table, $OWN, rep);
};
const $REP = Symbol('rep');
const $repeatOf = (table, resources, resource) => {
const rep = resource[$REP];
if (rep === undefined || resources.get(rep) !== resource) return 0;
const repeats = table.repeats ??= { reps: [], bits: [], free: [], open: new Map(), counts: new Map() };
let block = repeats.open.get(rep);
if (block === undefined || repeats.bits[block] === -1) {
$hold(${BLOCK_SIZE});
block = repeats.free.pop() ?? repeats.reps.length;
if (block >= $REPEATS >>> 5) throw $trap('it holds ' + $REPEATS + ' handles, which it never dropped');
repeats.reps[block] = rep;
repeats.bits[block] = 0;
repeats.open.set(rep, block);
}
const bits = repeats.bits[block];
const bit = ~bits & (bits + 1);
repeats.bits[block] = bits | bit;
repeats.counts.set(rep, (repeats.counts.get(rep) ?? 1) + 1);
return $REPEATS + block * 32 + 31 - Math.clz32(bit);
};
const $isRepeat = (repeats, handle) => {
return repeats !== undefined && (repeats.bits[(handle - $REPEATS) >>> 5] & (1 << (handle & 31))) !== 0;
};
const $removeRepeat = (repeats, handle) => {
const block = (handle - $REPEATS) >>> 5;
if ((repeats.bits[block] &= ~(1 << (handle & 31))) !== 0) return;
if (repeats.open.get(repeats.reps[block]) === block) repeats.open.delete(repeats.reps[block]);
repeats.free.push(block);
$held -= ${BLOCK_SIZE};
};
const $isLast = (repeats, rep) => {
const count = repeats.counts.get(rep) ?? 1;
if (count > 1) repeats.counts.set(rep, count - 1);
else repeats.counts.delete(rep);
return count === 1;
};
const $unusedRep = (resources, last) => {
do last = last < 0x3fffffff ? last + 1 : 1; while (resources.has(last));
return last;
};
let $taken = 0;
const $take = (memory, length) => {
$taken += length;
if ($taken > memory.buffer.byteLength) throw $trap('it passes more at once than its memory holds');
};
const $takeText = (memory, pointer, length) => {
$take(memory, length >>> 0);
return TEXT_DECODER_UTF8.decode(new Uint8Array(memory.buffer, pointer >>> 0, length >>> 0));
};
const $takeUtf16 = (memory, pointer, length) => {
$take(memory, (length >>> 0) * 2);
return utf16Decoder.decode(new Uint16Array(memory.buffer, pointer >>> 0, length >>> 0));
};
const $takeBytes = (memory, pointer, length) => {
$take(memory, length >>> 0);
return new Uint8Array(memory.buffer, pointer >>> 0, length >>> 0).slice();
};
const $takeList = (length) => {
if (length >>> 0 > ${MAX_LIST}) throw $trap('it passes a list of ' + (length >>> 0) + ', more than ${MAX_LIST}');
};
`;

/** A lowered pollable or stream: jco would look for a handle on it, which it never has. */
const REPEATABLE =
  /^(if \(!\((\w+) instanceof (?:Pollable|InputStream|OutputStream)(?:\$\d+)?\)\) \{\nthrow [^\n]*\n\}\n)var (handle\d+) = \2\[symbolRscHandle\];\nif \(!\3\) \{\nconst rep = \2\[symbolRscRep\] (\|\| [^\n]*)\n(captureTable\d+)\.set\(rep, \2\);\n\3 = rscTableCreateOwn\((handleTable\d+), rep\);\n\}\n/gm;
/** A dropped handle: its resource goes with its last handle. */
const DROPPED = /^const handleEntry = rscTableRemove\([^\n]*\);\nif \(handleEntry\.own\) \{$/gm;
/** A lifted resource: its handle and table, and whether it is owned or borrowed. */
const LIFTED =
  /^var (rep\d+) = (handleTable\d+)\[\((handle\d+) << 1\) \+ 1\] & ~T_FLAG;\nvar (rsc\d+) = (captureTable\d+)\.get\(\1\);\nif \(!\4\) \{\n\4 = Object\.create\([\w$]+\.prototype\);\nObject\.defineProperty\(\4, symbolRscHandle, \{ writable: true, value: \3\}\);\nObject\.defineProperty\(\4, symbolRscRep, \{ writable: true, value: \1\}\);\n\}\n(else \{\n\5\.delete\(\1\);\n\}\nrscTableRemove\(\2, \3\);\n)?/gm;
/** A lowered host resource: the number it gets. */
const CAPTURED = /\|\| \+\+(captureCnt(\d+));/g;
const NEW = /^(const trampoline\d+ = )rscTableCreateOwn\.bind\(null, (handleTable\d+)\);$/gm;
const REMEMBERED = /^handleTable\d+\._createdReps = new Set\(\);\n/gm;
/** jco reports calls between components to its tasks; WASI 0.2 has no tasks. */
const CALLS =
  /^(const trampoline\d+ = )(?:_symmetricSyncGuestCall(?:Enter|Exit)|_conditionalSuspending3I32ToVoid\(\n\(callerComponentIdx, calleeIsAsync, calleeComponentIdx\) => _symmetricSyncGuestCallEnter\([^\n]*\n[^\n]*\n\));$/gm;
const TRAP = "throw new TypeError('Trap');";

/** Makes a component's code use these tables. */
export function withTables(body: string): string {
  // If parts of a component pass resources to one another, each part has its own table.
  return (body.includes("resourceTransferOwn") ? body : withRepeats(body))
    .replace(
      LIFTED,
      (_, rep, table, handle, resource, resources, own) =>
        `var ${rep} = $repOf(${table}, ${handle});\nvar ${resource} = ${resources}.get(${rep});\nif (!${resource}) throw $unknownHandle(${handle});\n${
          own === undefined
            ? ""
            : `if (!rscTableRemove(${table}, ${handle}).own) throw $unknownHandle(${handle});\n${resources}.delete(${rep});\n`
        }`,
    )
    .replace(CAPTURED, (_, last, of) => `|| (${last} = $unusedRep(captureTable${of}, ${last}));`)
    .replace(NEW, (_, start, table) => `${start}$resourceNew(${table});`)
    .replace(REMEMBERED, "")
    .replace(CALLS, (_, start) => `${start}() => {};`)
    .replaceAll(TRAP, "throw $trap('it called another of its parts with what can not be passed');");
}

/** Lets further handles of a resource share what its first handle holds. */
function withRepeats(body: string): string {
  return body
    .replace(
      REPEATABLE,
      (_, check, resource, handle, rep, resources, table) =>
        `${check}var ${handle} = $repeatOf(${table}, ${resources}, ${resource});\nif (!${handle}) {\nconst rep = 0 ${rep}\n` +
        `${resources}.set(rep, ${resource});\n${handle} = rscTableCreateOwn(${table}, rep);\n${resource}[$REP] = rep;\n}\n`,
    )
    .replace(DROPPED, (entry) => entry.replace("handleEntry.own", "handleEntry.last"));
}

const TEXT = /TEXT_DECODER_UTF8\.decode\(new Uint8Array\((memory\d+)\.buffer, (ptr\d+), (len\d+)\)\)/g;
const UTF16 = /utf16Decoder\.decode\(new Uint16Array\((memory\d+)\.buffer, (ptr\d+), (len\d+)\)\)/g;
const BYTES = /new Uint8Array\((memory\d+)\.buffer\.slice\((ptr\d+), \2 \+ (len\d+) \* 1\)\)/g;
const LIST = /^var result\d+ = \[\];\nfor \(let i = 0; i < (len\d+); i\+\+\) \{$/gm;
/** jco's error for an invalid argument, which ends the component. */
const WRONG = /throw new TypeError\(/g;

/**
 * Limits the arguments that one call copies to the size of the memory, even if the component names the same bytes
 * repeatedly.
 *
 * @throws AppError INTERNAL if jco reads text in an unknown way
 */
export function withTakes(lift: string): string {
  const limited = lift
    .replace(TEXT, (_, memory, pointer, length) => `$takeText(${memory}, ${pointer}, ${length})`)
    .replace(UTF16, (_, memory, pointer, length) => `$takeUtf16(${memory}, ${pointer}, ${length})`)
    .replace(BYTES, (_, memory, pointer, length) => `$takeBytes(${memory}, ${pointer}, ${length})`)
    .replace(LIST, (loop, length) => loop.replace("\n", `\n$takeList(${length});\n`))
    .replace(WRONG, "throw $wrong(");
  if (limited.includes(".decode(")) {
    throw new AppError("INTERNAL", "jco's output reads text in a way that krew-wasm does not know");
  }
  return limited.includes("$take") ? `$taken = 0;\n${limited}` : limited;
}
