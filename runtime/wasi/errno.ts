/** Errors of system operations: the names of wasi:filesystem and preview1's numbers for them. */

/** preview1's `errno` by name. The names are those of `wasi:filesystem/types.error-code`, and preview1's for the rest. */
export const ERRNO = {
  "access": 2,
  "address-in-use": 3,
  "address-not-available": 4,
  "address-family-not-supported": 5,
  "would-block": 6,
  "already": 7,
  "bad-descriptor": 8,
  "busy": 10,
  "connection-aborted": 13,
  "connection-refused": 14,
  "connection-reset": 15,
  "deadlock": 16,
  "quota": 19,
  "exist": 20,
  "fault": 21,
  "file-too-large": 22,
  "host-unreachable": 23,
  "illegal-byte-sequence": 25,
  "in-progress": 26,
  "interrupted": 27,
  "invalid": 28,
  "io": 29,
  "is-connected": 30,
  "is-directory": 31,
  "loop": 32,
  "too-many-open": 33,
  "too-many-links": 34,
  "message-size": 35,
  "name-too-long": 37,
  "network-unreachable": 40,
  "no-device": 43,
  "no-entry": 44,
  "no-lock": 46,
  "insufficient-memory": 48,
  "no-protocol-option": 50,
  "insufficient-space": 51,
  "no-system-call": 52,
  "not-connected": 53,
  "not-directory": 54,
  "not-empty": 55,
  "not-recoverable": 56,
  "not-socket": 57,
  "unsupported": 58,
  "no-tty": 59,
  "no-such-device": 60,
  "overflow": 61,
  "not-permitted": 63,
  "pipe": 64,
  "protocol-not-supported": 66,
  "read-only": 69,
  "invalid-seek": 70,
  "timed-out": 73,
  "text-file-busy": 74,
  "cross-device": 75,
  "not-capable": 76,
} as const;

/** The name of an error. */
export type ErrnoName = keyof typeof ERRNO;

/** A failure that an operating system could report. The plugin sees the number or the name. */
export class WasiError extends Error {
  override readonly name = "WasiError";

  constructor(readonly errno: ErrnoName) {
    super(errno);
  }
}

// errno(3) names, as Deno puts them in `error.code`.
const BY_CODE: Readonly<Record<string, ErrnoName>> = {
  EACCES: "access",
  EAGAIN: "would-block",
  EBADF: "bad-descriptor",
  EBUSY: "busy",
  EDEADLK: "deadlock",
  EDQUOT: "quota",
  EEXIST: "exist",
  EFBIG: "file-too-large",
  EILSEQ: "illegal-byte-sequence",
  EINTR: "interrupted",
  EINVAL: "invalid",
  EIO: "io",
  EISDIR: "is-directory",
  ELOOP: "loop",
  EMFILE: "too-many-open",
  ENFILE: "too-many-open",
  EMLINK: "too-many-links",
  ENAMETOOLONG: "name-too-long",
  ENODEV: "no-device",
  ENOENT: "no-entry",
  ENOLCK: "no-lock",
  ENOMEM: "insufficient-memory",
  ENOSPC: "insufficient-space",
  ENOSYS: "unsupported",
  ENOTDIR: "not-directory",
  ENOTEMPTY: "not-empty",
  ENOTSUP: "unsupported",
  EOPNOTSUPP: "unsupported",
  ENOTTY: "no-tty",
  ENXIO: "no-such-device",
  EOVERFLOW: "overflow",
  EPERM: "not-permitted",
  EPIPE: "pipe",
  EROFS: "read-only",
  ESPIPE: "invalid-seek",
  ETXTBSY: "text-file-busy",
  EXDEV: "cross-device",
};

/**
 * Errors of a path that leads to no file, or to none that this user can reach. Then the plugin cannot reach one either.
 */
const ABSENCES: ReadonlySet<ErrnoName> = new Set(
  ["no-entry", "not-directory", "access", "not-permitted", "loop", "name-too-long", "illegal-byte-sequence"],
);

/** Windows error numbers for impossible names, and for missing drives and servers (winerror.h). */
const ABSENT_ON_WINDOWS = /\(os error (?:21|51|53|64|65|67|123|161|1005|1231)\)/;

/**
 * Whether an error means that nothing is at a path. After any other error, such as too many open files or no memory,
 * the host does not know what is there, and a check must refuse.
 */
export function isAbsence(error: unknown): boolean {
  let errno: ErrnoName;
  try {
    errno = errnoOf(error);
  } catch {
    return false;
  }
  return ABSENCES.has(errno) ||
    Deno.build.os === "windows" && error instanceof Error && ABSENT_ON_WINDOWS.test(error.message);
}

/** The name for an error of Deno's. Throws an error that does not come from the operating system again. */
export function errnoOf(error: unknown): ErrnoName {
  if (error instanceof WasiError) return error.errno;
  if (error instanceof Error) {
    const byCode = BY_CODE[(error as { code?: string }).code ?? ""];
    if (byCode) return byCode;
    if (error instanceof Deno.errors.NotFound) return "no-entry";
    if (error instanceof Deno.errors.AlreadyExists) return "exist";
    if (error instanceof Deno.errors.NotADirectory) return "not-directory";
    if (error instanceof Deno.errors.IsADirectory) return "is-directory";
    if (error instanceof Deno.errors.FilesystemLoop) return "loop";
    if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) {
      return "access";
    }
    if (error instanceof Deno.errors.BadResource) return "bad-descriptor";
    if (error instanceof Deno.errors.BrokenPipe) return "pipe";
    if (error instanceof Deno.errors.WouldBlock) return "would-block";
    if (error instanceof Deno.errors.InvalidData) return "invalid";
    // Deno has no class for some errors. They still come from the operating system, not from a defect of the host.
    const number = /\(os error (\d+)\)/.exec(error.message)?.[1];
    if (number === "6" && Deno.build.os !== "windows") return "no-such-device"; // ENXIO
    if (number !== undefined) return "io";
  }
  throw error;
}
