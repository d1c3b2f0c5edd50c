/** A file that runs without being installed. The path for policies and the bytes to run come from one open file. */

import { realPath } from "../../runtime/base/host_path.ts";
import { tooLarge, unreadable } from "../terminal/read_file.ts";

/** Maximum size of a plugin, as for registries: the limit of JavaScript engines. Bytes. */
const MAX_FILE = 1 << 30;
const PIECE = 1 << 20;

/** An open file to run. */
export class ProgramFile implements Disposable {
  /** The file's real path. For a pipe, the process's name for it, such as `/proc/42/fd/63`. */
  readonly path: string;
  #named: string;
  #file: Deno.FsFile;

  private constructor(named: string, path: string, file: Deno.FsFile) {
    this.#named = named;
    this.path = path;
    this.#file = file;
  }

  /** Opens a file, or a pipe such as a shell's `<(…)`. @throws AppError FILE_UNREADABLE */
  static open(path: string): ProgramFile {
    let file: Deno.FsFile | undefined;
    try {
      file = Deno.openSync(path, { read: true });
      const { isFile, isDirectory, isFifo, isSocket, size } = file.statSync();
      if (isDirectory) throw new Error("it is a directory");
      if (!isFile && !isFifo && !isSocket) throw new Error("it is a device");
      if (size > MAX_FILE) throw new Error(tooLarge(MAX_FILE));
      const real = whereIs(path);
      if (!isAt(file, real)) throw new Error("another file came into its place while it was opened");
      return new ProgramFile(path, real, file);
    } catch (error) {
      file?.close();
      throw unreadable(path, error, { action: "run" });
    }
  }

  /** Reads all bytes. Can be called once. @throws AppError FILE_UNREADABLE */
  read(): Uint8Array<ArrayBuffer> {
    try {
      // One byte more than expected, to see the end of the file.
      return readAll(this.#file, this.#file.statSync().size + 1);
    } catch (error) {
      throw unreadable(this.#named, error, { action: "run" });
    }
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** Reads a program from stdin. @throws AppError FILE_UNREADABLE */
export function readStdin(): Uint8Array<ArrayBuffer> {
  try {
    return readAll(Deno.stdin, PIECE);
  } catch (error) {
    throw unreadable("stdin", error, { action: "run" });
  }
}

/** Reads to the end. `size`: room for the expected content. @throws Error for more than {@linkcode MAX_FILE} */
function readAll(file: { readSync(into: Uint8Array): number | null }, size: number): Uint8Array<ArrayBuffer> {
  let bytes = new Uint8Array(size);
  let filled = 0;
  for (;;) {
    if (filled === bytes.length) {
      const larger = new Uint8Array(Math.max(PIECE, 2 * bytes.length));
      larger.set(bytes);
      bytes = larger;
    }
    const read = file.readSync(bytes.subarray(filled));
    if (read === null) return bytes.subarray(0, filled);
    filled += read;
    if (filled > MAX_FILE) throw new Error(tooLarge(MAX_FILE));
  }
}

/** The real path of a file. A pipe of a shell's `<(…)` has none, so resolve its directory only. */
function whereIs(path: string): string {
  try {
    return realPath(path);
  } catch {
    const [, directory, name] = /^(.*[\\/])([^\\/]+)$/s.exec(path) ?? [path, "./", path];
    return `${realPath(directory!)}/${name}`;
  }
}

/** Whether an open file is the one at a path. True if the system gives files no identity. */
function isAt(file: Deno.FsFile, path: string): boolean {
  const here = file.statSync();
  let there: Deno.FileInfo;
  try {
    there = Deno.statSync(path);
  } catch {
    return false;
  }
  return here.ino === null || there.ino === null || here.ino === there.ino && here.dev === there.dev;
}
