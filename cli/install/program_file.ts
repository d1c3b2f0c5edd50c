/** A file that is run uninstalled. The path that policies judge and the bytes that run are of one open file. */

import { realPath } from "../../runtime/base/host_path.ts";
import { tooLarge, unreadable } from "../terminal/read_file.ts";

/** The largest plugin there is, as for registries; a JavaScript engine reads no larger one. Bytes. */
const MAX_FILE = 1 << 30;
const PIECE = 1 << 20;

/** See the file's comment. */
export class ProgramFile implements Disposable {
  /** Where the file is, absolute and free of links. Of a pipe it is the name by which the process has it. */
  readonly path: string;
  #named: string;
  #file: Deno.FsFile;

  private constructor(named: string, path: string, file: Deno.FsFile) {
    this.#named = named;
    this.path = path;
    this.#file = file;
  }

  /** Opens a file, or a pipe as a shell's `<(…)` hands it over. @throws AppError FILE_UNREADABLE */
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

  /** All of its bytes, once. @throws AppError FILE_UNREADABLE */
  read(): Uint8Array<ArrayBuffer> {
    try {
      const { size } = this.#file.statSync();
      // One byte more than there should be tells the end, too.
      let bytes = new Uint8Array(size + 1);
      let filled = 0;
      for (;;) {
        if (filled === bytes.length) {
          const larger = new Uint8Array(Math.max(PIECE, 2 * bytes.length));
          larger.set(bytes);
          bytes = larger;
        }
        const read = this.#file.readSync(bytes.subarray(filled));
        if (read === null) return bytes.subarray(0, filled);
        filled += read;
        if (filled > MAX_FILE) throw new Error(tooLarge(MAX_FILE));
      }
    } catch (error) {
      throw unreadable(this.#named, error, { action: "run" });
    }
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** The real path of a file; of one that has none, what a shell's `<(…)` hands over, by its directory's. */
function whereIs(path: string): string {
  try {
    return realPath(path);
  } catch {
    const [, directory, name] = /^(.*[\\/])([^\\/]+)$/s.exec(path) ?? [path, "./", path];
    return `${realPath(directory!)}/${name}`;
  }
}

/** Whether an open file is the one at a path; where the system does not tell files apart, it is taken to be. */
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
