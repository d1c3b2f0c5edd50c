/** The risk of access to a path. Pure. */

import { isRoot, isWithin, pathBelow } from "../../runtime/base/host_path.ts";
import type { FileGrant } from "../../runtime/grants/grants.ts";

/** Paths below $HOME with credentials, or with files that run later. Lower case. */
const SENSITIVE = [
  ...[".ssh", ".aws", ".azure", ".gnupg", ".kube", ".docker", ".netrc", ".git-credentials", ".gitconfig"],
  ...[".npmrc", ".pypirc", ".cargo", ".m2", ".gem", ".terraform.d", ".vault-token", ".password-store"],
  ...[".mozilla", ".thunderbird", ".krew-wasm", ".krew", ".local/bin", ".local/share/keyrings", "bin"],
  ...[".config/gcloud", ".config/gh", ".config/git", ".config/containers", ".config/helm", ".config/sops"],
  ...[
    ".config/fish",
    ".config/systemd",
    ".config/autostart",
    ".config/environment.d",
    ".config/google-chrome",
  ],
  ...[
    ".config/chromium",
    "library/keychains",
    "library/launchagents",
    "library/application support",
    "appdata",
  ],
];
/** Startup files of shells, below $HOME. */
const SHELL_FILE = /^\.(?:bash|zsh|profile|login|xprofile|xsession)\w*(?:\/|$)/;
const SYSTEM = /^\/(?:etc|root|boot|proc|sys|dev|usr|bin|sbin|lib|var|run|opt)?(?:\/|$)/;
/** The same for Windows, on any drive. */
const WINDOWS_SYSTEM = /^[a-z]:\/(?:windows|program files(?: \(x86\))?|programdata|\$\w+)(?:\/|$)/i;

/** Whether a path holds credentials, itself or deeper down. */
export function holdsCredentials(path: string, home: string): boolean {
  if (isRoot(path) || isWithin(home, path)) return true;
  return isSensitive(pathBelow(path, home) ?? "");
}

/** Whether a path below $HOME is a sensitive place, is inside of one, or contains one. */
function isSensitive(below: string): boolean {
  const path = below.toLowerCase();
  return SHELL_FILE.test(path) ||
    path !== "" && SENSITIVE.some((place) => isWithin(path, place) || isWithin(place, path));
}

/** The risk of access to a path; empty without one. `home` is the user's home directory, absolute. */
export function pathRisk(
  path: string,
  write: boolean,
  home: string,
  windows = Deno.build.os === "windows",
): string {
  return placeRisk(path, write, home, windows) || (write ? "it can change and delete what is there" : "");
}

/** The specific risk of a sensitive place; empty for other paths. */
function placeRisk(
  path: string,
  write: boolean,
  home: string,
  windows = Deno.build.os === "windows",
): string {
  if (isRoot(path)) {
    return path === "/"
      ? "all files of this machine that you may reach"
      : "all files there that you may reach";
  }
  if (isWithin(home, path, windows)) return "your keys, tokens and the shell's own files lie there";
  const below = pathBelow(path, home, windows);
  if (below !== undefined && isSensitive(below)) return "credentials, or what your shell runs, lie there";
  const isSystem = !windows && SYSTEM.test(path) && !/^\/(?:tmp|var\/tmp)(?:\/|$)/.test(path);
  if (below === undefined && (isSystem || windows && WINDOWS_SYSTEM.test(path))) {
    return write ? "the system's own files lie there" : "the system's settings lie there";
  }
  return "";
}

/** The risk of a grant of files, by its path or its target; empty without one. */
export function fileRisk({ host, write, real = host }: FileGrant, home: string): string {
  return placeRisk(host, write, home) || pathRisk(real, write, home);
}
