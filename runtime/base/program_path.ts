/**
 * Finds programs that are named without a path: credential plugins of a kubeconfig, credential helpers of registries,
 * kubectl. Like Go (os/exec, ErrDot), and so kubectl and docker, krew-wasm starts none in the current directory. The
 * operating system would, if PATH has an empty or a relative entry.
 */

/** Windows' default if PATHEXT is not set (os/exec). */
const EXTENSIONS = ".com;.exe;.bat;.cmd";

/**
 * The absolute paths to try for a program, in order.
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
  // A name that already has an extension is tried first.
  const names = [...(/\.[^.]*$/.test(name) ? [name] : []), ...extensions.map((each) => name + each)];
  return (env("PATH") ?? "").split(";")
    .map((entry) => entry.replaceAll('"', ""))
    .filter((entry) => /^[a-z]:[\\/]|^[\\/]{2}/i.test(entry))
    .flatMap((entry) => names.map((each) => `${entry.replace(/[\\/]+$/, "")}\\${each}`));
}

/** Names on PATH that lead to a file: the file itself, or links to it. */
export function namesOnPath(name: string, file: string, env: (name: string) => string | undefined): string[] {
  return programPaths(name, env).filter((path) => {
    try {
      return Deno.realPathSync(path) === file;
    } catch {
      return false; // this name does not exist
    }
  });
}

/** Whether a command is a name without a path, which PATH resolves. */
export function isName(command: string): boolean {
  return !(Deno.build.os === "windows" ? /[\\/:]/ : /\//).test(command);
}

/** The file that {@linkcode startProgram} would start; undefined if there is none, or if it cannot be read. */
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
 * Starts a program. {@linkcode programPaths} resolves a name without a path.
 *
 * @throws Deno.errors.NotFound if no such program exists, with a message for users if the command is a name; other errors
 * of the operating system
 */
export function startProgram(command: string, options: Deno.CommandOptions): Deno.ChildProcess {
  const windows = Deno.build.os === "windows";
  if (!isName(command)) return new Deno.Command(command, options).spawn();
  const env = (name: string) => Deno.env.get(name);
  for (const path of programPaths(command, env)) {
    try {
      return new Deno.Command(path, options).spawn();
    } catch (error) {
      // Like Go: skip directories and files that are not programs.
      const absent = error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied;
      if (!absent) throw error;
    }
  }
  const relative = !windows && (env("PATH") ?? "").split(":").some((entry) => !entry.startsWith("/"));
  throw new Deno.errors.NotFound(
    `was not found on PATH${relative ? ", whose empty and relative entries do not count" : ""}`,
  );
}
