/** What `go list -json` says of packages. Pure. */

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

/** The fields to ask for. */
export const LIST_FIELDS =
  "-json=ImportPath,Name,Dir,Standard,DepOnly,Module,GoFiles,IgnoredGoFiles,Imports,Error";

/** Objects that follow one another, as `go list -json` prints them. @throws SyntaxError */
export function parsePackages(text: string): GoPackage[] {
  // Each begins and ends with a brace in the first column.
  return text.split(/^(?=\{)/m).filter((each) => each.trim() !== "").map((each) => JSON.parse(each));
}

/** The first importer of a package among those listed, for messages; undefined for one that nobody imports. */
export function importerOf(path: string, packages: readonly GoPackage[]): string | undefined {
  return packages.find(({ Imports }) => Imports?.includes(path))?.ImportPath;
}

/** Where a module's files are. */
export function moduleDirectory(module: GoModule | undefined): string | undefined {
  return module?.Replace?.Dir ?? module?.Dir;
}
