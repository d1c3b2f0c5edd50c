/**
 * Turns a package's files for Linux into files for wasip1. Most packages that fail to build for wasip1 list operating
 * systems in a build constraint, without wasip1. Pure.
 */

/**
 * Packages, without a major version, that build for wasip1 but then do not recognize a terminal. A package that fails
 * to build need not be listed: the compiler names it.
 */
const AS_LINUX: ReadonlySet<string> = new Set([
  "github.com/charmbracelet/x/term",
  "github.com/mattn/go-isatty",
  "golang.org/x/crypto/ssh/terminal",
  "golang.org/x/term",
]);

/** Whether a package is always built from its files for Linux. */
export function isKnownForLinux(importPath: string): boolean {
  return AS_LINUX.has(importPath.replace(/\/v\d+(?=\/|$)/, ""));
}

const SYSTEM =
  /_(?:aix|android|darwin|dragonfly|freebsd|illumos|ios|js|linux|netbsd|openbsd|plan9|solaris|wasip1|windows|zos)?(?:_?(?:386|amd64|arm|arm64|loong64|mips|mips64|mips64le|mipsle|ppc64|ppc64le|riscv64|s390x|wasm))?$/;

/** The new name of a file for Linux, which restricts it to no system: `term_linux.go` becomes `term_krew.go`. */
export function nameForAll(name: string): string {
  const stem = name.replace(/\.go$/, "");
  const match = SYSTEM.exec(stem);
  return match && match[0].length > 1 ? `${stem.slice(0, match.index)}_linux_krew.go` : name;
}

/** The file without its build constraints before the package clause. */
export function withoutConstraints(text: string): string {
  const clause = /^package\s/m.exec(text)?.index ?? 0;
  const head = text.slice(0, clause).replace(/^\/\/(?:go:build|\s*\+build)\b.*$/gm, "");
  return head + text.slice(clause);
}

/** Whether a file uses cgo. */
export function usesCgo(text: string): boolean {
  return /^\s*import\s+"C"|^\s*"C"\s*$/m.test(text);
}

/** Files to write (with their sources), and names to leave out. */
export interface Rewrite {
  readonly write: ReadonlyMap<string, string>;
  readonly drop: readonly string[];
}

/**
 * Plans the changes of a package's directory.
 *
 * @param linux the names of its files for Linux
 * @param present the names of its files for wasip1
 */
export function planRewrite(linux: readonly string[], present: readonly string[]): Rewrite {
  const write = new Map(
    linux.filter((name) => !present.includes(name)).map((name) => [nameForAll(name), name] as const),
  );
  return { write, drop: present.filter((name) => !linux.includes(name)) };
}
