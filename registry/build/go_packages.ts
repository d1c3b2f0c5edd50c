/** Reads the output of `go list -json`. Pure. */

/** The fields of `go list -json` that a build needs. */
export interface GoPackage {
  readonly ImportPath: string;
  readonly Name?: string;
  readonly Dir?: string;
  readonly Standard?: boolean;
  readonly DepOnly?: boolean;
  readonly Module?: GoModule;
  readonly GoFiles?: readonly string[];
  readonly IgnoredGoFiles?: readonly string[];
  readonly Imports?: readonly string[];
  readonly Error?: { readonly Err: string; readonly ImportStack?: readonly string[] | null };
}

/** The module of a package. */
export interface GoModule {
  readonly Path: string;
  readonly Version?: string;
  readonly Main?: boolean;
  readonly Dir?: string;
  readonly GoMod?: string;
  readonly Replace?: GoModule;
}

/** The fields to request. */
export const LIST_FIELDS =
  "-json=ImportPath,Name,Dir,Standard,DepOnly,Module,GoFiles,IgnoredGoFiles,Imports,Error";

/** Parses consecutive objects, as `go list -json` prints them. @throws SyntaxError */
export function parsePackages(text: string): GoPackage[] {
  // Each object begins and ends with a brace in the first column.
  return text.split(/^(?=\{)/m).filter((each) => each.trim() !== "").map((each) => JSON.parse(each));
}

/** The first listed importer of a package, for messages; undefined if nothing imports it. */
export function importerOf(path: string, packages: readonly GoPackage[]): string | undefined {
  return packages.find(({ Imports }) => Imports?.includes(path))?.ImportPath;
}

/** The directory of a module. */
export function moduleDirectory(module: GoModule | undefined): string | undefined {
  return module?.Replace?.Dir ?? module?.Dir;
}
