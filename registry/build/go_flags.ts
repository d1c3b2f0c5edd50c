/** Flags of `go build`: the user's own with those that a plugin needs. Pure. */

import { AppError } from "../../runtime/base/errors.ts";

/** Flags that name files of the build's own. */
const TAKEN = /^--?(o|overlay|modfile|buildmode|C)(=|$)/;
/** Of flags with a value, those that `go list` has to know. */
const LISTED = /^--?(tags|mod|modcacherw|race|buildvcs|installsuffix|compiler|gccgoflags|pgo)(=|$)/;
const WITH_VALUE =
  /^--?(tags|mod|ldflags|gcflags|asmflags|p|pkgdir|toolexec|installsuffix|compiler|gccgoflags|pgo|asan)$/;

/** Flags for the two commands. */
export interface GoFlags {
  readonly build: readonly string[];
  readonly list: readonly string[];
}

/**
 * What to give `go build` and `go list`.
 *
 * @param user the flags after `--`
 * @param goflags the variable GOFLAGS, whose -ldflags one on the command line would replace
 * @throws AppError USAGE for flags that krew-wasm itself gives
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
  const linked = ["-s -w", ldflags ?? inherited ?? ""].join(" ").trim();
  return { build: ["-trimpath", `-ldflags=${linked}`, ...build], list };
}

/** Words parted by blanks, some in quotes, as GOFLAGS has them. */
function splitQuoted(text: string): string[] {
  return [...text.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, single, double, plain]) =>
    single ?? double ?? plain!
  );
}
