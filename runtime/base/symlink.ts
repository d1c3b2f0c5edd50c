/**
 * Symbolic links where Deno makes none: `Deno.symlinkSync` asks for all of read and write, which a process that means
 * to give some of it up later (wall.ts) never had. The C library makes them in its place.
 */

type Symlink = (target: string, path: string) => boolean;

let loaded: Symlink | undefined;

/** Loads what makes links, while there is a right to: after `ffi` is given up it can't be. Nothing where it can't be had. */
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
 * Makes a symbolic link at `path`, where nothing may be, that says `target`.
 *
 * @throws Deno.errors.AlreadyExists, NotCapable when there is neither a right nor a way, and what else the system says
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
  // errno is gone by the time it could be asked for; these are the two that callers tell apart.
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
