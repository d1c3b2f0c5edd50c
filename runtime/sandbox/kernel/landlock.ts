/**
 * Landlock's data: the rights that each version of the kernel's interface handles, the rights of a rule, and the structures
 * of the system calls. Pure. Landlock refuses a handled right that no rule allows.
 *
 * Follows Linux, Documentation/userspace-api/landlock.rst and include/uapi/linux/landlock.h.
 */

/** LANDLOCK_ACCESS_FS_…, with the first version that has it. */
const FILE_RIGHTS = {
  execute: { bit: 0n, abi: 1 },
  writeFile: { bit: 1n, abi: 1 },
  readFile: { bit: 2n, abi: 1 },
  readDirectory: { bit: 3n, abi: 1 },
  removeDirectory: { bit: 4n, abi: 1 },
  removeFile: { bit: 5n, abi: 1 },
  makeCharacterDevice: { bit: 6n, abi: 1 },
  makeDirectory: { bit: 7n, abi: 1 },
  makeFile: { bit: 8n, abi: 1 },
  makeSocket: { bit: 9n, abi: 1 },
  makePipe: { bit: 10n, abi: 1 },
  makeBlockDevice: { bit: 11n, abi: 1 },
  makeLink: { bit: 12n, abi: 1 },
  /** Renaming and linking from one directory to another. */
  refer: { bit: 13n, abi: 2 },
  truncate: { bit: 14n, abi: 3 },
  controlDevice: { bit: 15n, abi: 5 },
  /** Connecting to a socket by its path. */
  connectSocket: { bit: 16n, abi: 9 },
} as const;

/** A right to files. */
export type FileRight = keyof typeof FILE_RIGHTS;

/** The rights that apply to files. The others apply to directories, and the kernel refuses them on a file. */
const OF_FILES: ReadonlySet<FileRight> = new Set<FileRight>([
  "execute",
  "writeFile",
  "readFile",
  "truncate",
  "controlDevice",
  "connectSocket",
]);

/** LANDLOCK_ACCESS_NET_…, with the first version that has it. */
const NETWORK_RIGHTS = {
  bindTcp: { bit: 0n, abi: 4 },
  connectTcp: { bit: 1n, abi: 4 },
  bindUdp: { bit: 2n, abi: 10 },
  sendUdp: { bit: 3n, abi: 10 },
} as const;

/** A right to ports. */
export type NetworkRight = keyof typeof NETWORK_RIGHTS;

/** LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET, LANDLOCK_SCOPE_SIGNAL. */
const SCOPES = { abstractSockets: 1n, signals: 2n } as const;

/** The oldest supported version: before it, no file could be moved to another directory. */
export const OLDEST_ABI = 2;
/** The oldest version that can restrict everything we need: files, programs, truncation and TCP ports. */
export const FULL_ABI = 4;
/** From here on the kernel restricts all threads of a process at once. */
export const THREADS_ABI = 8;
/** LANDLOCK_RESTRICT_SELF_TSYNC */
export const RESTRICT_ALL_THREADS = 1 << 3;
/** LANDLOCK_CREATE_RULESET_VERSION, LANDLOCK_CREATE_RULESET_ERRATA */
export const ASK_VERSION = 1;
export const ASK_ERRATA = 2;
/** LANDLOCK_RULE_PATH_BENEATH, LANDLOCK_RULE_NET_PORT */
export const RULE_PATH = 1;
export const RULE_PORT = 2;
/** Erratum 2, fixed: threads of one process may signal each other, even with different restrictions. */
const SIGNALS_MENDED = 1 << 1;

/** What a process may do with files at and below a path. */
export type Access = "read" | "write" | "log" | "remove" | "list" | "refer";

const RIGHTS: Readonly<Record<Access, readonly FileRight[]>> = {
  read: ["readFile", "readDirectory"],
  /** The operations of WASI: no devices, pipes or sockets, and no programs. */
  write: [
    ...["readFile", "readDirectory", "writeFile", "truncate", "refer"] as const,
    ...["removeDirectory", "removeFile", "makeDirectory", "makeFile", "makeLink"] as const,
  ],
  /** Appending to files, and renaming them for rotation. */
  log: ["readFile", "readDirectory", "writeFile", "makeFile", "removeFile"],
  /** Removing empty directories. */
  remove: ["removeDirectory"],
  refer: ["refer"],
  /** Listing files without reading them. */
  list: ["readDirectory"],
};

function mask<Name extends string>(
  table: Readonly<Record<Name, { readonly bit: bigint; readonly abi: number }>>,
  names: readonly Name[],
  abi: number,
): bigint {
  return names.reduce((bits, name) => table[name].abi <= abi ? bits | 1n << table[name].bit : bits, 0n);
}

/** The rights of a rule as a mask; 0 if the version has none for this kind of file. */
export function rightsOf(access: Access, isDirectory: boolean, abi: number): bigint {
  return mask(FILE_RIGHTS, RIGHTS[access].filter((name) => isDirectory || OF_FILES.has(name)), abi);
}

/** The right to ports as a mask; 0 if the version has none. */
export function portRight(right: NetworkRight, abi: number): bigint {
  return mask(NETWORK_RIGHTS, [right], abi);
}

/** What a ruleset handles besides files. It handles all rights to files. */
export interface Handled {
  /** Sockets by their paths. Not handled if a name service needs one. */
  readonly sockets: boolean;
  /** The TCP ports to listen at. Not handled if all are allowed. */
  readonly listening: boolean;
  /** The bit mask of fixed kernel bugs; 0 if the kernel reports none. */
  readonly errata: number;
}

/** A `struct landlock_ruleset_attr` that handles everything that the version can. */
export function rulesetAttribute(
  abi: number,
  { sockets, listening, errata }: Handled,
): Uint8Array<ArrayBuffer> {
  const files = (Object.keys(FILE_RIGHTS) as FileRight[]).filter((name) =>
    sockets || name !== "connectSocket"
  );
  const ports = (Object.keys(NETWORK_RIGHTS) as NetworkRight[]).filter((name) =>
    listening || name !== "bindTcp"
  );
  // Without the fix, the engine's own threads could not signal each other.
  const signals = (errata & SIGNALS_MENDED) === 0 ? 0n : SCOPES.signals;
  const fields = [
    mask(FILE_RIGHTS, files, abi),
    ...(abi >= 4 ? [mask(NETWORK_RIGHTS, ports, abi)] : []),
    ...(abi >= 6 ? [SCOPES.abstractSockets | signals] : []),
  ];
  return new Uint8Array(BigUint64Array.from(fields).buffer);
}

/**
 * The same for TCP ports alone. Every ruleset refuses moves between directories unless a rule allows them, so it handles
 * those.
 */
export function portRulesetAttribute(abi: number): Uint8Array<ArrayBuffer> {
  const fields = [mask(FILE_RIGHTS, ["refer"], abi), mask(NETWORK_RIGHTS, ["connectTcp"], abi)];
  return new Uint8Array(BigUint64Array.from(fields).buffer);
}

/** A `struct landlock_path_beneath_attr` (packed). */
export function pathRule(rights: bigint, fd: number): Uint8Array<ArrayBuffer> {
  const rule = new Uint8Array(12);
  const view = new DataView(rule.buffer);
  view.setBigUint64(0, rights, true);
  view.setInt32(8, fd, true);
  return rule;
}

/** A `struct landlock_net_port_attr`. */
export function portRule(rights: bigint, port: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(BigUint64Array.of(rights, BigInt(port)).buffer);
}
