/**
 * Makes symbolic links when Deno refuses. `Deno.symlinkSync` needs full read and write permission, which a process never
 * has if it gives some of it up later (process_permissions.ts). The C library makes the links instead.
 */

type Symlink = (target: string, path: string) => boolean;

let loaded: Symlink | undefined;

/** Loads the C library's function. Call this before the process gives up `ffi`. Does nothing if loading fails. */
export function loadSymlink(): void {
  if (loaded || Deno.build.os === "windows") return;
  const library = Deno.build.os === "darwin" ? "/usr/lib/libSystem.B.dylib" : "libc.so.6";
  try {
    const { symbols } = Deno.dlopen(
      library,
      { symlink: { parameters: ["buffer", "buffer"], result: "i32" } } as const,
    );
    const text = new TextEncoder();
    loaded = (target, path) => symbols.symlink(text.encode(`${target}\0`), text.encode(`${path}\0`)) === 0;
  } catch { /* no such library, or no right to load it: makeSymlink tells */ }
}

/**
 * Makes a symbolic link to `target` at `path`, which must not exist.
 *
 * @throws Deno.errors.AlreadyExists, NotCapable without permission and C library, and other errors of the system
 */
export function makeSymlink(target: string, path: string): void {
  try {
    return Deno.symlinkSync(target, path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotCapable)) throw error;
    loadSymlink();
    if (!loaded || target.includes("\0") || path.includes("\0")) throw error;
  }
  if (loaded(target, path)) return;
  // errno is lost by now. Callers distinguish only these two errors.
  Deno.lstatSync(path.slice(0, path.lastIndexOf("/")) || "/");
  const there = (() => {
    try {
      return Deno.lstatSync(path);
    } catch {
      return undefined;
    }
  })();
  if (there) throw new Deno.errors.AlreadyExists(`File exists: symlink '${target}' -> '${path}'`);
  throw new Deno.errors.PermissionDenied(`Cannot make the link '${path}'`);
}
