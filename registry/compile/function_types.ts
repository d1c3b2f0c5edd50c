// deno-lint-ignore-file camelcase -- the functions have the names that the specification gives them

/**
 * Checks that a module declares the host's functions with their real types. JavaScript accepts whatever a module
 * passes: a module with other types would fail in the middle of a run with the engine's message about a failed
 * conversion. Pure; the engine must have validated the module.
 */

import { AppError } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import { PREVIEW1 } from "./foreign_modules.ts";
import { Reader, readSections } from "./wasm_reader.ts";

const TYPES = 1;
const IMPORTS = 2;
const FUNCTIONS = 3;
const TABLES = 4;
const EXPORTS = 7;
const TAGS = 13;

/** Parameters, `>`, results. `i`: 32-bit number, `I`: 64-bit number, `r`: reference, `?`: anything else. */
type Signature = string;

/**
 * Parameters of the preview1 functions with a 64-bit parameter (legacy/preview1/docs.md). All other functions have
 * 32-bit parameters. Every function except `proc_exit` returns an errno.
 */
const WIDE: Readonly<Record<string, string>> = {
  clock_time_get: "iIi",
  fd_advise: "iIIi",
  fd_allocate: "iII",
  fd_fdstat_set_rights: "iII",
  fd_filestat_set_size: "iI",
  fd_filestat_set_times: "iIIi",
  fd_pread: "iiiIi",
  fd_pwrite: "iiiIi",
  fd_readdir: "iiiIi",
  fd_seek: "iIii",
  path_filestat_set_times: "iiiiIIi",
  path_open: "iiiiiIIii",
};
/** Number of 32-bit parameters of the other functions. */
const NARROW: Readonly<Record<string, number>> = {
  args_get: 2,
  args_sizes_get: 2,
  clock_res_get: 2,
  environ_get: 2,
  environ_sizes_get: 2,
  fd_close: 1,
  fd_datasync: 1,
  fd_fdstat_get: 2,
  fd_fdstat_set_flags: 2,
  fd_filestat_get: 2,
  fd_prestat_dir_name: 3,
  fd_prestat_get: 2,
  fd_read: 4,
  fd_renumber: 2,
  fd_sync: 1,
  fd_tell: 2,
  fd_write: 4,
  path_create_directory: 3,
  path_filestat_get: 5,
  path_link: 7,
  path_readlink: 6,
  path_remove_directory: 3,
  path_rename: 6,
  path_symlink: 5,
  path_unlink_file: 3,
  poll_oneoff: 4,
  proc_exit: 1,
  proc_raise: 1,
  random_get: 2,
  sched_yield: 0,
  sock_accept: 3,
  sock_recv: 6,
  sock_send: 5,
  sock_shutdown: 2,
};

/**
 * The 32-bit parameters of WasmEdge's socket functions (runtime/wasi/p1/sockets.ts). Some exist in two versions. The second
 * version also has names of its own.
 */
const SOCKETS: Readonly<Record<string, readonly number[]>> = {
  sock_accept: [3, 2],
  sock_accept_v2: [3],
  sock_bind: [3],
  sock_bind_v2: [3],
  sock_connect: [3],
  sock_connect_v2: [3],
  sock_getaddrinfo: [8],
  sock_getlocaladdr: [3, 4],
  sock_getlocaladdr_v2: [3],
  sock_getpeeraddr: [3, 4],
  sock_getpeeraddr_v2: [3],
  sock_getsockopt: [5],
  sock_listen: [2],
  sock_listen_v2: [2],
  sock_open: [3],
  sock_open_v2: [3],
  sock_recv_from: [8, 7],
  sock_recv_from_v2: [8],
  sock_recv_v2: [6],
  sock_send_to: [7],
  sock_send_to_v2: [7],
  sock_send_v2: [5],
  sock_setsockopt: [5],
};

/** Functions of the interfaces beside WASI. */
const BESIDE: Readonly<Record<string, Readonly<Record<string, Signature>>>> = {
  krew_wasm_kubernetes: {
    current: "iii>i",
    request: "iiiiiiiiii>i",
    upload: "iii>i",
    upgrade: "iiiiiiii>i",
    head: "iiii>i",
    failure: "iiii>i",
    channel: "iiii>i",
    receive: "iiiii>i",
    send: "iiii>i",
    close: "iiii>i",
  },
  krew_wasm_terminal: { set_mode: "i>i", get_size: "ii>i" },
  "wasi-outbound-http": { request: "iiiiiiiiiiiiii>", "register-request-config": "iiiiiiiiiiiiiii>" },
};

/** Whether a module of the host has a function of this name. */
export function isHostFunction(module: string, name: string): boolean {
  return wanted(module, name).length > 0;
}

/** The types that a host function may be declared with; empty if the host has no such function. */
function wanted(module: string, name: string): readonly Signature[] {
  if (Object.hasOwn(BESIDE, module)) {
    return Object.hasOwn(BESIDE[module]!, name) ? [BESIDE[module]![name]!] : [];
  }
  if (module === "wasi_snapshot_preview1" && Object.hasOwn(SOCKETS, name)) {
    return SOCKETS[name]!.map((count): Signature => `${"i".repeat(count)}>i`);
  }
  if (!PREVIEW1.test(module)) return [];
  const parameters = Object.hasOwn(WIDE, name)
    ? WIDE[name]
    : Object.hasOwn(NARROW, name)
    ? "i".repeat(NARROW[name]!)
    : undefined;
  return parameters === undefined ? [] : [`${parameters}>${name === "proc_exit" ? "" : "i"}`];
}

/**
 * Refuses a module that declares a host function, or its own `_start`, with a wrong type.
 *
 * @throws AppError PLUGIN_UNSUPPORTED naming the function
 */
export function checkFunctionTypes(bytes: Uint8Array): void {
  const types: Signature[] = [];
  /** The type index of each function, imported functions first. */
  const functions: number[] = [];
  let start: number | undefined;
  for (const { id, content, end } of readSections(bytes)) {
    const reader = new Reader(bytes, content, end);
    const each = (read: () => void) => {
      for (let count = reader.number(); count > 0; count--) read();
    };
    if (id === TYPES) each(() => readTypes(reader, types));
    else if (id === IMPORTS) {
      each(() => {
        const [module, name] = [reader.text(), reader.text()];
        // The host provides functions only. unknownImport() reports any other import, so the rest need not be read.
        if (reader.byte() !== 0x00) {
          throw unsupported(`It imports "${printable(name, 100)}", which is no function`);
        }
        const type = reader.number();
        functions.push(type);
        const signatures = wanted(module, name);
        if (signatures.length > 0 && !signatures.includes(types[type] ?? "?")) {
          throw unsupported(
            `It declares "${printable(name, 100)}" of "${
              printable(module, 100)
            }" with other types than that has`,
          );
        }
      });
    } else if (id === FUNCTIONS) each(() => functions.push(reader.number()));
    else if (id === EXPORTS) {
      each(() => {
        const name = reader.text();
        const kind = reader.byte();
        const index = reader.number();
        if (kind === 0x00 && name === "_start") start = index;
      });
    }
  }
  if (start !== undefined && !(types[functions[start]!] ?? "?").startsWith(">")) {
    throw unsupported("Its _start takes parameters, which a command's does not");
  }
}

/** Real exceptions hold a pointer, or a few values. */
const MAX_EXCEPTION_VALUES = 16;

/**
 * Whether a module can make the engine keep unlimited objects outside its memories: structures and arrays, and
 * exceptions that refer to others, hold many values, or are kept in tables.
 */
export function definesObjects(bytes: Uint8Array): boolean {
  const types: Signature[] = [];
  const objects = readSections(bytes).map(({ id, content, end }): boolean => {
    const reader = new Reader(bytes, content, end);
    let found = false;
    const each = (read: () => void) => {
      for (let count = reader.number(); count > 0; count--) read();
    };
    if (id === TYPES) {
      each(() => readTypes(reader, types));
      found = types.includes("?");
    } else if (id === TABLES) {
      each(() => {
        found ||= mayHoldExceptions(reader);
        if (found) return; // the rest is not read
        const limits = reader.byte();
        reader.wide();
        if ((limits & 1) !== 0) reader.wide();
      });
    } else if (id === TAGS) {
      each(() => {
        reader.byte(); // the tag's attribute: an exception
        const [parameters = ""] = (types[reader.number()] ?? "?").split(">");
        found ||= parameters.includes("r") || parameters.length > MAX_EXCEPTION_VALUES;
      });
    }
    return found;
  });
  return objects.includes(true);
}

/** Whether a table holds references other than funcref and externref, judged by its first byte or two. */
function mayHoldExceptions(reader: Reader): boolean {
  const type = reader.byte();
  const isReference = type === 0x63 || type === 0x64;
  const heapType = isReference ? reader.byte() : type;
  return heapType !== 0x70 && heapType !== 0x6f && !(isReference && heapType < 0x40);
}

function unsupported(what: string): AppError {
  return new AppError("PLUGIN_UNSUPPORTED", what, {
    hint: "a plugin is a WASI preview1 command or a WASI 0.2 component",
  });
}

/**
 * Adds the types that one entry of the type section defines (core specification 5.3; GC: groups, subtypes, structures,
 * arrays).
 */
function readTypes(reader: Reader, types: Signature[]): void {
  const form = reader.byte();
  if (form === 0x4e) {
    for (let count = reader.number(); count > 0; count--) readTypes(reader, types);
    return;
  }
  if (form === 0x50 || form === 0x4f) {
    for (let count = reader.number(); count > 0; count--) reader.number(); // its supertypes
    return readTypes(reader, types);
  }
  const list = () => {
    let values = "";
    for (let count = reader.number(); count > 0; count--) values += readValueType(reader);
    return values;
  };
  const field = () => {
    readValueType(reader);
    reader.byte(); // its mutability
  };
  if (form === 0x60) {
    types.push(`${list()}>${list()}`);
    return;
  }
  if (form === 0x5f) { for (let count = reader.number(); count > 0; count--) field(); }
  else if (form === 0x5e) field();
  else throw unsupported(`It defines a type of the unknown form ${form}`);
  types.push("?");
}

function readValueType(reader: Reader): string {
  const type = reader.byte();
  // `ref` and `ref null` are followed by a heap type.
  if (type === 0x63 || type === 0x64) reader.wide();
  if (type === 0x7f) return "i";
  if (type === 0x7e) return "I";
  return type >= 0x7b ? "?" : "r"; // f32, f64 and v128
}
