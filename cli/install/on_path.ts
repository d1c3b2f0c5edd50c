/** Finds the file that kubectl runs for a plugin: the first of its name on PATH. */

import { delimiter } from "node:path";
import { linkFileName } from "../../registry/store/links.ts";
import { hostPath, realPath } from "../../runtime/base/host_path.ts";
import type { Layout } from "../../runtime/store/layout.ts";
import type { Context } from "../context.ts";

/** The directories of `PATH`, as krew-wasm writes paths. An empty entry stays empty. Pure. */
export function pathDirectories(path = ""): string[] {
  return path.split(delimiter).map((entry) => hostPath(entry).replace(/(?<=.)\/+$/, ""));
}

/** A file of the plugin's name that comes before the plugin's link on PATH, or undefined. */
export function shadowOf({ env }: Pick<Context, "env">, { bin }: Layout, name: string): string | undefined {
  const file = linkFileName(name);
  const directory = pathDirectories(env("PATH"))
    .find((directory) => directory !== "" && isExecutable(`${directory}/${file}`));
  return directory === undefined || isSame(directory, bin) ? undefined : `${directory}/${file}`;
}

function isSame(one: string, other: string): boolean {
  try {
    return one === other || realPath(one) === realPath(other);
  } catch {
    return false;
  }
}

function isExecutable(path: string): boolean {
  try {
    const { isFile, mode } = Deno.statSync(path);
    return isFile && (Deno.build.os === "windows" || ((mode ?? 0) & 0o111) !== 0);
  } catch {
    return false;
  }
}
