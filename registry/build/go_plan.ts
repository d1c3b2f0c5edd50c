/** Plans which packages of a program to change for a plugin, and finds packages that cannot work. Pure. */

import { type GoModule, type GoPackage, importerOf, moduleDirectory } from "./go_packages.ts";
import { isKnownForLinux, planRewrite } from "./go_rewrite.ts";

/** Changes to a package's directory: files to add, to generate from others, or to leave out. */
export interface PackageChange {
  readonly importPath: string;
  readonly directory: string;
  readonly module: GoModule | undefined;
  /** Names of the overlay's files to add, below `modules/IMPORT PATH`. */
  readonly add: readonly string[];
  /** Files to generate from others of the directory, by name. */
  readonly write: ReadonlyMap<string, string>;
  readonly drop: readonly string[];
}

/** A package that cannot be built, with the reason. */
export interface Obstacle {
  readonly importPath: string;
  readonly importer: string | undefined;
  /** `constraints` for a package without files for any system; otherwise the message of `go list`. */
  readonly why: "constraints" | { readonly error: string };
  /** Files that were left out, perhaps because they use cgo. */
  readonly ignored: readonly string[];
  readonly directory: string | undefined;
}

/** The planned changes. */
export interface Plan {
  readonly changes: readonly PackageChange[];
  readonly obstacles: readonly Obstacle[];
}

/** A package as listed for both systems. */
export interface Listed {
  /** With GOOS=wasip1. */
  readonly wasi: readonly GoPackage[];
  /** With GOOS=linux. */
  readonly linux: readonly GoPackage[];
}

const CONSTRAINTS = /build constraints exclude all Go files/;

/**
 * Plans the changes.
 *
 * @param forced more packages to build from their files for Linux, in addition to the known ones
 * @param own names of the overlay's files by the package that gets them
 */
export function planChanges(
  { wasi, linux }: Listed,
  forced: ReadonlySet<string>,
  own: ReadonlyMap<string, readonly string[]>,
): Plan {
  const onLinux = new Map(linux.map((each) => [each.ImportPath, each]));
  const onWasi = new Map(wasi.map((each) => [each.ImportPath, each]));
  const changes: PackageChange[] = [];
  const obstacles: Obstacle[] = [];
  // A package may be imported only by files for Linux.
  for (const path of new Set([...onWasi.keys(), ...onLinux.keys()])) {
    const here = onWasi.get(path);
    const there = onLinux.get(path);
    const { Dir: directory, Module: module, Standard } = here ?? there!;
    if (Standard || path === "unsafe" || path === "C") continue;
    const added = own.get(path) ?? [];
    if (added.length > 0 && directory !== undefined) {
      changes.push({ importPath: path, directory, module, add: added, write: new Map(), drop: [] });
      continue;
    }
    const excluded = CONSTRAINTS.test(here?.Error?.Err ?? "");
    if (here?.Error && !excluded) {
      obstacles.push(obstacle(here, { error: here.Error.Err }, wasi));
      continue;
    }
    const needed = excluded || forced.has(path) || isKnownForLinux(path);
    if (!needed || directory === undefined) continue;
    const files = there?.GoFiles ?? [];
    if (excluded && files.length === 0) obstacles.push(obstacle(here!, "constraints", wasi));
    if (files.length === 0) continue;
    const { write, drop } = planRewrite(files, here?.GoFiles ?? []);
    if (write.size > 0 || drop.length > 0) {
      changes.push({ importPath: path, directory, module, add: [], write, drop });
    }
  }
  return { changes, obstacles };
}

function obstacle(
  { ImportPath, IgnoredGoFiles, Dir }: GoPackage,
  why: Obstacle["why"],
  packages: readonly GoPackage[],
): Obstacle {
  return {
    importPath: ImportPath,
    importer: importerOf(ImportPath, packages),
    why,
    ignored: IgnoredGoFiles ?? [],
    directory: Dir,
  };
}

/**
 * Groups changes by the module to copy, because Go accepts no overlay below its module cache. Other changes are
 * separate.
 */
export function partByModule(
  changes: readonly PackageChange[],
  moduleCache: string,
): { copied: ReadonlyMap<string, readonly PackageChange[]>; overlaid: readonly PackageChange[] } {
  const cache = `${moduleCache.replace(/[\\/]$/, "")}/`.replaceAll("\\", "/");
  const copied = new Map<string, PackageChange[]>();
  const overlaid: PackageChange[] = [];
  for (const change of changes) {
    const within = change.directory.replaceAll("\\", "/").startsWith(cache);
    const from = moduleDirectory(change.module);
    if (within && from !== undefined) copied.set(from, [...copied.get(from) ?? [], change]);
    else overlaid.push(change);
  }
  return { copied, overlaid };
}

/** Packages that open a browser, which plugins cannot. */
const BROWSERS: ReadonlySet<string> = new Set([
  "github.com/cli/browser",
  "github.com/int128/oauth2cli",
  "github.com/pkg/browser",
  "github.com/skratchdot/open-golang/open",
  "github.com/toqueteos/webbrowser",
]);

/** client-go and kubectl start credential plugins and editors. The host does the first; kubectl says the second. */
const EXPECTED = /^(?:k8s\.io|sigs\.k8s\.io)\//;

/** A package whose calls will fail in part. */
export interface Failing {
  readonly path: string;
  /** The package of the program that imports it; undefined for the program's own. */
  readonly importer: string | undefined;
  readonly why: "starts programs" | "opens a browser";
}

/**
 * Packages that start programs or open a browser: the program's own, those that it imports itself, and known ones at
 * any depth.
 */
export function startsPrograms(packages: readonly GoPackage[]): Failing[] {
  const own = packages.filter(({ Module }) => Module?.Main);
  return packages.flatMap(({ ImportPath: path, Module, Standard, Imports = [] }): Failing[] => {
    if (BROWSERS.has(path)) {
      return [{ path, importer: importerOf(path, packages), why: "opens a browser" }];
    }
    if (Standard || !Imports.includes("os/exec") || EXPECTED.test(path)) return [];
    if (Module?.Main) return [{ path, importer: undefined, why: "starts programs" }];
    const importer = importerOf(path, own);
    return importer === undefined ? [] : [{ path, importer, why: "starts programs" }];
  });
}
