/**
 * Programs that are named without a path: credential plugins of a kubeconfig, credential helpers of registries, kubectl itself.
 * Go, and so kubectl and docker, start none that lies in the current directory (os/exec, ErrDot). The operating system would,
 * where PATH has an empty or a relative entry.
 */

/** What Windows tries where PATHEXT says nothing (os/exec). */
const EXTENSIONS = ".com;.exe;.bat;.cmd";

/**
 * The absolute paths at which a program may lie, in the order in which they are tried.
 *
 * @param name without a slash, on Windows without a backslash or colon as well
 */
export function programPaths(
  name: string,
  env: (name: string) => string | undefined,
  os: typeof Deno.build.os = Deno.build.os,
): string[] {
  if (os !== "windows") {
    return (env("PATH") ?? "").split(":").filter((entry) => entry.startsWith("/"))
      .map((entry) => `${entry.replace(/\/+$/, "")}/${name}`);
  }
  const given = (env("PATHEXT") || EXTENSIONS).toLowerCase().split(";").filter((each) => each !== "");
  const extensions = given.map((each) => each.startsWith(".") ? each : `.${each}`);
  // A name that has an extension is tried as it is first.
  const names = [...(/\.[^.]*$/.test(name) ? [name] : []), ...extensions.map((each) => name + each)];
  return (env("PATH") ?? "").split(";")
    .map((entry) => entry.replaceAll('"', ""))
    .filter((entry) => /^[a-z]:[\\/]|^[\\/]{2}/i.test(entry))
    .flatMap((entry) => names.map((each) => `${entry.replace(/[\\/]+$/, "")}\\${each}`));
}

/** Where a program lies on PATH as a link to a file, or as that file. */
export function namesOnPath(name: string, file: string, env: (name: string) => string | undefined): string[] {
  return programPaths(name, env).filter((path) => {
    try {
      return Deno.realPathSync(path) === file;
    } catch {
      return false; // none is there
    }
  });
}

/** Whether a command names no path, so that it is looked for on PATH. */
export function isName(command: string): boolean {
  return !(Deno.build.os === "windows" ? /[\\/:]/ : /\//).test(command);
}

/** The file that {@linkcode startProgram} would start; undefined for none. What can't be looked at is none. */
export function findProgram(command: string): string | undefined {
  const paths = isName(command) ? programPaths(command, (name) => Deno.env.get(name)) : [command];
  return paths.find((path) => {
    try {
      const { isFile, mode } = Deno.statSync(path);
      return isFile && (mode === null || (mode & 0o111) !== 0);
    } catch {
      return false;
    }
  });
}

/**
 * Starts a program, one named without a path from where {@linkcode programPaths} says it may be.
 *
 * @throws Deno.errors.NotFound where there is none, for such a name with words for a user; what else the operating system has
 * against it
 */
export function startProgram(command: string, options: Deno.CommandOptions): Deno.ChildProcess {
  const windows = Deno.build.os === "windows";
  if (!isName(command)) return new Deno.Command(command, options).spawn();
  const env = (name: string) => Deno.env.get(name);
  for (const path of programPaths(command, env)) {
    try {
      return new Deno.Command(path, options).spawn();
    } catch (error) {
      // As for Go: a directory or a file that is no program is passed over.
      const absent = error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied;
      if (!absent) throw error;
    }
  }
  const relative = !windows && (env("PATH") ?? "").split(":").some((entry) => !entry.startsWith("/"));
  throw new Deno.errors.NotFound(
    `was not found on PATH${relative ? ", whose empty and relative entries do not count" : ""}`,
  );
}
