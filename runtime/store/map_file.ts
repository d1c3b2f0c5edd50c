/** Maps files into memory instead of copying them. The engine makes its own copy of a module anyway. */

/** A mapped file. */
export interface MappedFile {
  /** Its bytes. Writing to them ends the process. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Gives the memory back. The bytes stay readable: the kernel reads them from the file again. */
  release(): void;
}

const O_CLOEXEC = 0x80000;
const PROT_READ = 1;
const MAP_PRIVATE = 2;
const MAP_POPULATE = 0x8000;
const MADV_DONTNEED = 4;

/** Maps a file for reading. undefined if that fails, on other systems than Linux, and with another C library. */
export function mapFile(path: string, size: number): MappedFile | undefined {
  if (Deno.build.os !== "linux" || size === 0) return undefined;
  try {
    const { symbols } = Deno.dlopen("libc.so.6", {
      open: { parameters: ["buffer", "i32"], result: "i32" },
      close: { parameters: ["i32"], result: "i32" },
      mmap: { parameters: ["usize", "usize", "i32", "i32", "i32", "i64"], result: "i64" },
      madvise: { parameters: ["i64", "usize", "i32"], result: "i32" },
    });
    const file = symbols.open(new TextEncoder().encode(`${path}\0`), O_CLOEXEC);
    if (file < 0) return undefined;
    const length = BigInt(size);
    const address = symbols.mmap(0n, length, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0n);
    symbols.close(file);
    if (address === -1n) return undefined;
    const buffer = Deno.UnsafePointerView.getArrayBuffer(Deno.UnsafePointer.create(address)!, size);
    return {
      bytes: new Uint8Array(buffer),
      release: () => void symbols.madvise(address, length, MADV_DONTNEED),
    };
  } catch {
    return undefined;
  }
}
