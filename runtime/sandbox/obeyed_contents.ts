/**
 * What krew-wasm obeys below the directories of obeyed_files.ts. Each of these files may be a link that leads out of its
 * directory. Only a run that may change files beyond the plugin's private directory needs them, because this reads
 * directories and settings.
 */

import { hostPath, isRoot, parentOf } from "../base/host_path.ts";
import { POLICY_PATH } from "../policy/policy_path.ts";
import { layoutAt } from "../store/layout.ts";
import { configDirectory } from "../base/user_files.ts";
import { absolutePaths, type ObeyedContext } from "./obeyed_files.ts";

/** The questions to the file system. */
export interface ContentsHost {
  /** The entries of a directory; none if it can't be read. */
  list(path: string): readonly Pick<Deno.DirEntry, "name" | "isDirectory" | "isSymlink">[];
  /** The text of a file; empty if it can't be read. */
  read(path: string): string;
}

/** Absolute paths of files and directories, which may not exist. */
export function obeyedContents(
  { env, home, cwd, store }: Pick<ObeyedContext, "env" | "home" | "cwd" | "store">,
  host: ContentsHost = DENO_CONTENTS,
): string[] {
  const config = configDirectory(env);
  const containers = [...(config ? [`${config}/containers`] : []), "/etc/containers"];
  const docker = [...(config ? [`${config}/docker`] : []), "/etc/docker"];
  const certificates = [...containers, ...docker].map((each) => `${each}/certs.d`);
  const dropIns = containers.map((each) => `${each}/registries.conf.d`);
  const paths = [
    ...[...new Set([store, `${home}/.krew-wasm`])].flatMap((root) => storeContents(root, host)),
    ...[POLICY_PATH, `${parentOf(POLICY_PATH)}/trusted_root.json`],
    ...containers.map((each) => `${each}/registries.conf`),
    ...dropIns.flatMap((each) => [each, ...linksIn(absolutePaths([each], cwd)[0]!, 1, host)]),
    ...certificates.flatMap((each) => [each, ...linksIn(absolutePaths([each], cwd)[0]!, 2, host)]),
  ];
  return absolutePaths(paths, cwd);
}

/** Every path of a store, and the files that its settings name. */
function storeContents(root: string, host: ContentsHost): string[] {
  const layout = layoutAt(root);
  const { receipts, history, indexes, blobs, compiled } = layout;
  return [
    ...Object.values(layout).filter((path): path is string => typeof path === "string"),
    ...[receipts, history, indexes, blobs].flatMap((each) => linksIn(each, 1, host)),
    ...linksIn(compiled, 2, host),
    ...filesInPolicy(host.read(layout.policy)),
    ...absolutePaths(filesOfRegistries(host.read(layout.registries)), root),
  ];
}

/** The links in a directory, and in those of its directories: all else there is protected with it. */
function linksIn(directory: string, levels: number, host: ContentsHost): string[] {
  return host.list(directory).flatMap(({ name, isDirectory, isSymlink }) => {
    const path = `${directory}/${name}`;
    return [
      ...(isSymlink ? [path] : []),
      ...(levels > 1 && (isDirectory || isSymlink) ? linksIn(path, levels - 1, host) : []),
    ];
  });
}

/**
 * The keys and trust roots that a user's policy may name: what begins like an absolute path. No YAML parser, which would
 * take longer than the start of a plugin. Where it is not clear where a path ends, all possible ones. Pure.
 */
export function filesInPolicy(text: string): string[] {
  return text.split("\n").flatMap((line) => {
    const comment = line.search(/(?:^|\s)#/);
    return [...line.matchAll(/(?<=^|[\s[{,"'])(?=\/|[A-Za-z]:[\\/])/g)]
      .filter(({ index }) => comment === -1 || index < comment)
      .flatMap(({ index }) => possiblePaths(line.slice(index)));
  });
}

/** The certificates and keys that a `registries.yaml` may name, maybe relative. Pure. */
export function filesOfRegistries(text: string): string[] {
  const fields = /\b(?:ca|cert|key)["']?\s*:\s*(?:[|>][-+]?\s+)?(?:[&!]\S*\s+)*["']?(?=([^\n]*))/g;
  return [...text.matchAll(fields)].flatMap(([, rest = ""]) => possiblePaths(rest));
}

/** Where a scalar at the start of a text may end: at its quote, in a flow sequence, before a comment, with the line. */
function possiblePaths(text: string): string[] {
  const ends = [...text.matchAll(/["',\]}]|\s#|\s*$/g)].map(({ index }) => text.slice(0, index).trim());
  return [...ends, ...ends.map((each) => each.replaceAll("\\\\", "\\").replaceAll("''", "'"))]
    .filter((each) => each !== "" && !isRoot(hostPath(each)));
}

const DENO_CONTENTS: ContentsHost = {
  list(path) {
    try {
      return [...Deno.readDirSync(path)];
    } catch {
      return [];
    }
  },
  read(path) {
    try {
      return Deno.readTextFileSync(path);
    } catch {
      return "";
    }
  },
};
