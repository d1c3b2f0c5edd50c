/** Builds a plugin from a Go program with the user's own `go`. */

import { AppError } from "../../runtime/base/errors.ts";
import { packagesLackingNames } from "./go_errors.ts";
import { goFlags } from "./go_flags.ts";
import { type GoPackage, LIST_FIELDS, parsePackages } from "./go_packages.ts";
import { type Failing, type Obstacle, type Plan, planChanges, startsPrograms } from "./go_plan.ts";
import { cleaningUp } from "./interrupts.ts";
import { usesCgo } from "./go_rewrite.ts";
import { GoWorkspace } from "./go_workspace.ts";
import { overlayFiles } from "./overlay_files.ts";
import { type Go, type GoEnvironment, goEnvironment, goIn, overlayable } from "./run_go.ts";

/** How often to rebuild with more packages from their files for Linux after a build failed. */
const MOST_TRIES = 6;
const WASI = { GOOS: "wasip1", GOARCH: "wasm", CGO_ENABLED: "0" };
/** An architecture for which packages have few assembly files. */
const LINUX = { GOOS: "linux", GOARCH: "riscv64", CGO_ENABLED: "0" };

/** What to build. */
export interface GoBuild {
  /** The directory in which `go` runs. */
  readonly directory: string;
  /** The package as `go build` accepts it: `.`, `./cmd/x`, `example.com/x/cmd/y`. */
  readonly target: string;
  /** The user's own flags for `go build`. */
  readonly flags: readonly string[];
  /** Called with each line of progress. */
  readonly note: (line: string) => void;
}

/** The built plugin. */
export interface BuiltProgram {
  /** Its name: the last part of the package's path. */
  readonly name: string;
  /** Its file, which exists until `use` returns. */
  readonly path: string;
}

/**
 * Builds a program and passes the file to `use`. Then removes all temporary files.
 *
 * @throws AppError USAGE, GO_UNUSABLE, BUILD_FAILED
 */
export async function buildGo(
  build: GoBuild,
  use: (built: BuiltProgram) => Promise<void>,
): Promise<void> {
  const abort = new AbortController();
  const { signal } = abort;
  const found = goIn(build.directory, signal);
  const environment = await goEnvironment(found);
  let root: string | undefined;
  await cleaningUp(
    () => {
      // No signal arrives between these two.
      root = Deno.makeTempDirSync({ prefix: "krew-wasm-build-" });
      return buildIn({ found, environment, root: Deno.realPathSync(root), signal }, build, use);
    },
    abort,
    async () => {
      if (root !== undefined) await remove(root);
    },
  );
}

/** What a build works with. */
interface BuildContext {
  readonly found: Go;
  readonly environment: GoEnvironment;
  /** The build's temporary directory. */
  readonly root: string;
  readonly signal: AbortSignal;
}

async function buildIn(
  { found, environment, root, signal }: BuildContext,
  { directory, target, flags, note }: GoBuild,
  use: (built: BuiltProgram) => Promise<void>,
): Promise<void> {
  const { build, list } = goFlags(flags, environment.GOFLAGS);
  const { go, env } = overlayable(found, environment, directory, root, signal);
  const own = await overlayFiles();
  const workspace = new GoWorkspace(root, go, env, own);
  await workspace.overlayStd();
  const { wasi, linux } = await listPackages(go, list, target);
  const program = programOf(wasi, target);
  for (const failing of startsPrograms(wasi)) note(noteOf(failing));
  const added = addedFiles(own);
  const forced = new Set<string>();
  const output = `${root}/plugin.wasm`;
  for (let tries = 1;; tries++) {
    const plan = planChanges({ wasi, linux }, forced, added);
    checkObstacles(plan, target);
    const { flags, env } = await workspace.apply(plan.changes);
    const args = ["build", ...build, ...flags, "-o", output, target];
    const { success, stderr } = await go(args, { ...WASI, ...env });
    if (success) break;
    const more = forcible(
      packagesLackingNames(stderr),
      { wasi, linux },
      new Set([...forced, ...added.keys()]),
    );
    if (more.length === 0 || tries === MOST_TRIES) throw failed(program, stderr);
    for (const path of more) {
      forced.add(path);
      note(`${path} does not build for WebAssembly as it is: trying its files for Linux`);
    }
  }
  await use({ name: nameOf(program.ImportPath, target), path: output });
}

/** What the build says of a package whose calls will fail in part. */
function noteOf({ path, importer, why }: Failing): string {
  if (importer === undefined) {
    return `note: ${path} imports os/exec: plugins can't start programs, and those calls will fail`;
  }
  const cannot = why === "opens a browser" ? "open a browser" : "start programs";
  return `note: ${path}, which ${importer} imports, ${why}: plugins can't ${cannot}, and those calls will fail`;
}

async function remove(directory: string): Promise<void> {
  try {
    await Deno.remove(directory, { recursive: true });
  } catch { /* go is still ending; nothing can be done */ }
}

async function listPackages(go: Go, flags: readonly string[], target: string) {
  const ask = async (env: Readonly<Record<string, string>>) => {
    const result = await go(["list", "-e", "-deps", LIST_FIELDS, ...flags, target], env);
    if (!result.success) {
      throw new AppError("BUILD_FAILED", `Cannot build "${target}": ${lastLines(result.stderr)}`);
    }
    return parsePackages(result.stdout);
  };
  return { wasi: await ask(WASI), linux: await ask(LINUX) };
}

/** The requested package, which must be one. @throws AppError BUILD_FAILED, USAGE */
function programOf(packages: readonly GoPackage[], target: string): GoPackage {
  const asked = packages.filter(({ DepOnly }) => !DepOnly);
  const [program] = asked;
  if (asked.length !== 1 || program === undefined) {
    throw new AppError("USAGE", `"${target}" names ${asked.length} packages: a plugin is one`);
  }
  if (program.Name !== undefined && program.Name !== "main") {
    throw new AppError("BUILD_FAILED", `Cannot build "${target}": package ${program.Name} is no program`, {
      hint: "name the directory whose files say package main, such as ./cmd/NAME",
    });
  }
  return program;
}

/** Names of the overlay's files by the package that gets them. */
function addedFiles(own: ReadonlyMap<string, string>): Map<string, string[]> {
  const added = new Map<string, string[]>();
  for (const path of own.keys()) {
    const [, importPath, name] = /^modules\/(.*)\/([^/]*)$/.exec(path) ?? [];
    if (importPath !== undefined) added.set(importPath, [...added.get(importPath) ?? [], name!]);
  }
  return added;
}

/** @throws AppError BUILD_FAILED for the first package that cannot be built */
function checkObstacles({ obstacles }: Plan, target: string): void {
  const [first] = obstacles;
  if (first === undefined) return;
  const importer = first.importer === undefined ? "" : `, which ${first.importer} imports`;
  if (hasCgo(first)) {
    throw new AppError(
      "BUILD_FAILED",
      `Cannot build "${target}": ${first.importPath}${importer}, needs C (cgo)`,
      {
        hint: "plugins can't call C; look for a build tag that leaves it out, and pass it by -- -tags TAG",
      },
    );
  }
  if (first.why === "constraints") {
    throw new AppError(
      "BUILD_FAILED",
      `Cannot build "${target}": ${first.importPath}${importer}, has no files for WebAssembly or Linux`,
    );
  }
  throw new AppError("BUILD_FAILED", `Cannot build "${target}": ${lastLines(first.why.error)}`);
}

function hasCgo({ ignored, directory }: Obstacle): boolean {
  return ignored.some((name) => {
    try {
      return usesCgo(Deno.readTextFileSync(`${directory}/${name}`));
    } catch {
      return false;
    }
  });
}

/** The packages with undefined names that have other files for Linux and were not built with them yet. */
function forcible(
  paths: readonly string[],
  { wasi, linux }: { readonly wasi: readonly GoPackage[]; readonly linux: readonly GoPackage[] },
  forced: ReadonlySet<string>,
): string[] {
  const filesOf = (packages: readonly GoPackage[], path: string) =>
    packages.find(({ ImportPath, Standard }) => ImportPath === path && !Standard)?.GoFiles?.join("\0");
  return paths.filter((path) => {
    const files = filesOf(linux, path);
    return !forced.has(path) && files !== undefined && files !== filesOf(wasi, path);
  });
}

function failed({ ImportPath }: GoPackage, stderr: string): AppError {
  return new AppError("BUILD_FAILED", `Cannot build ${ImportPath}: go build failed`, {
    cause: new Error(stderr),
  });
}

function lastLines(text: string): string {
  return text.trim().split("\n").map((line) => line.trim()).filter((line) => line !== "").join("; ");
}

/** The program's name, as `go build` chooses it. */
function nameOf(importPath: string, target: string): string {
  const path = importPath === "command-line-arguments" ? target.replace(/\.go$/, "") : importPath;
  return path.replace(/\/v\d+$/, "").split("/").at(-1)!;
}
