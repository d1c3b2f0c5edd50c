/** Combines the user's flags for `go build` with those that a plugin needs. Pure. */

import { AppError } from "../../runtime/base/errors.ts";

/** Flags that name the build's own files. */
const TAKEN = /^--?(o|overlay|modfile|buildmode|C)(=|$)/;
/** Flags with a value that `go list` needs, too. */
const LISTED = /^--?(tags|mod|modcacherw|race|buildvcs|installsuffix|compiler|gccgoflags|pgo)(=|$)/;
const WITH_VALUE =
  /^--?(tags|mod|ldflags|gcflags|asmflags|p|pkgdir|toolexec|installsuffix|compiler|gccgoflags|pgo|asan)$/;

/** The flags of both commands. */
export interface GoFlags {
  readonly build: readonly string[];
  readonly list: readonly string[];
}

/**
 * The flags for `go build` and `go list`.
 *
 * @param user the flags after `--`
 * @param goflags the variable GOFLAGS; its -ldflags would be replaced by one on the command line
 * @throws AppError USAGE for flags that krew-wasm sets itself
 */
export function goFlags(user: readonly string[], goflags = ""): GoFlags {
  const build: string[] = [];
  const list: string[] = [];
  let ldflags: string | undefined;
  for (let at = 0; at < user.length; at++) {
    const flag = user[at]!;
    const taken = TAKEN.exec(flag);
    if (taken) {
      throw new AppError("USAGE", `go build's -${taken[1]} is krew-wasm's own to give`, {
        hint: taken[1] === "o" ? "name the file by krew-wasm build -o FILE" : "leave it out",
      });
    }
    if (!flag.startsWith("-")) {
      throw new AppError("USAGE", `"${flag}" is no flag of go build`, {
        hint: "name the package before --",
      });
    }
    const words = WITH_VALUE.test(flag) ? [flag, user[++at] ?? ""] : [flag];
    const link = /^--?ldflags(?:=([^]*))?$/.exec(flag);
    if (link) ldflags = link[1] ?? words[1]!;
    else {
      build.push(...words);
      if (LISTED.test(flag)) list.push(...words);
    }
  }
  const inherited = splitQuoted(goflags).map((word) => /^--?ldflags=([^]*)$/.exec(word)?.[1]).findLast(
    Boolean,
  );
  // Go would run git in the project, and git runs what the project's own settings name (core.fsmonitor). Last, so that the
  // user's own flag wins.
  const stamped = [...user, ...splitQuoted(goflags)].some((word) => /^--?buildvcs(?:=|$)/.test(word));
  const unstamped = stamped ? [] : ["-buildvcs=false"];
  const linked = ["-s -w", ldflags ?? inherited ?? ""].join(" ").trim();
  return {
    build: ["-trimpath", `-ldflags=${linked}`, ...unstamped, ...build],
    list: [...unstamped, ...list],
  };
}

/** Splits words at blanks, with quotes, as in GOFLAGS. */
function splitQuoted(text: string): string[] {
  return [...text.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, single, double, plain]) =>
    single ?? double ?? plain!
  );
}
