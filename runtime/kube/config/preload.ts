/**
 * The kubeconfig read into memory before a plugin starts, not parsed: from then on the process need not be able to read
 * it, nor the certificates and keys that it names. Parsing waits until somebody asks (access.ts).
 */

import { absolute, parseConnectionFlags } from "./kubectl_flags.ts";
import { kubercFile } from "./kuberc_file.ts";
import { readText } from "./text_file.ts";

/** What was read, and what can't be read before it is needed. */
export interface Preloaded {
  /** All that was read, by path. */
  readonly texts: ReadonlyMap<string, string>;
  /** The kubeconfigs that there are, texts by path. */
  readonly kubeconfigs: ReadonlyMap<string, string>;
  /** A file from memory, else from the disk. @throws as Deno.readTextFileSync */
  readonly readFile: (path: string) => string;
  /** Files that change while a plugin runs: tokens, certificates and keys that are renewed. */
  readonly keep: readonly string[];
  /** Whether a user of the kubeconfig may have a credential plugin. */
  readonly exec: boolean;
  /** Finds a program, as it was then: where kuberc has an allowlist, all that it and the kubeconfig name were looked for. */
  readonly findProgram: (command: string) => string | undefined;
}

/** Keys of a kubeconfig that name a file, each with the word that says it is one. */
const FILE_KEY = /(?:^|[\s"'{,])(certificate-authority|client-certificate|client-key|tokenFile)["']?\s*:/g;
/** The same, on a line of its own with a plain or quoted value: how kubectl, minikube, kind and clouds write it. */
const FILE_LINE =
  /^[ \t]*(?:- )?["']?(certificate-authority|client-certificate|client-key|tokenFile)["']?[ \t]*:[ \t]+(?:"([^"\\\n]+)"|'([^'\n]+)'|([\w.\/~+@](?:[\w.\/~+@ ()-]*[\w.\/~+@()-])?))[ \t\r]*(?:[ \t]#.*)?$/gm;

/** The files that a kubeconfig names, as written, by what they are for. Falls back on parsing for an unusual text. */
export async function filesNamed(text: string, path: string): Promise<{ key: string; path: string }[]> {
  const keys = text.match(FILE_KEY)?.length ?? 0;
  if (keys === 0) return [];
  const lines = [...text.matchAll(FILE_LINE)];
  if (lines.length === keys) {
    return lines.map(([, key, ...values]) => ({
      key: key!,
      path: values.find((value) => value !== undefined)!,
    }));
  }
  try {
    const { clusters, users } = await (await import("./kubeconfig.ts")).parseKubeconfig(text, path);
    return [
      ...[...clusters.values()].map(({ entry }) => ["certificate-authority", entry.certificateAuthority]),
      ...[...users.values()].flatMap(({ entry }) => [
        ["client-certificate", entry.clientCertificate],
        ["client-key", entry.clientKey],
        ["tokenFile", entry.tokenFile],
      ]),
    ].flatMap(([key, path]) => key === undefined || path === undefined ? [] : [{ key, path }]);
  } catch {
    return []; // it is told of when the cluster is used
  }
}

/** What {@linkcode preloadKubeconfig} needs to know of the run. */
export interface PreloadContext {
  readonly env: Readonly<Record<string, string>>;
  /** The plugin's arguments, its name left out. */
  readonly args: readonly string[];
  readonly home: string;
  readonly cwd: string;
}

/** Reads what there is; what is not, or can't be read, is told of by whoever asks for it. */
export async function preloadKubeconfig(
  paths: readonly string[],
  { env, args, home, cwd }: PreloadContext,
): Promise<Preloaded> {
  const flags = parseConnectionFlags(args);
  const texts = new Map<string, string>();
  const errors = new Map<string, unknown>();
  const read = (path: string): string | undefined => {
    try {
      const text = readText(path);
      texts.set(path, text);
      return text;
    } catch (error) {
      errors.set(path, error);
      return undefined;
    }
  };
  const keep: string[] = [];
  const kubeconfigs = new Map<string, string>();
  let exec = false;
  for (const path of paths) {
    const text = read(path);
    if (text === undefined) continue;
    kubeconfigs.set(path, text);
    // The word alone: a false alarm costs nothing, the next to be known is whether the user has one.
    exec ||= text.includes("exec") || /\\[xu]|!!/.test(text);
    const directory = path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"))) || "/";
    for (const { key, path: named } of await filesNamed(text, path)) {
      const file = absolute(named, directory);
      if (key === "tokenFile" || read(file) !== undefined) keep.push(file);
    }
  }
  for (const path of [flags.certificateAuthority, flags.clientCertificate, flags.clientKey]) {
    if (path !== undefined && read(absolute(path, cwd)) !== undefined) keep.push(absolute(path, cwd));
  }
  const programs = new Map<string, string | undefined>();
  const kuberc = exec ? kubercPath(env, args, home, cwd) : undefined;
  if (kuberc !== undefined && read(kuberc)?.includes("llowlist")) {
    await findPrograms(paths.map((path) => [path, texts.get(path)] as const), texts.get(kuberc)!, programs);
  }
  return {
    texts,
    kubeconfigs,
    keep,
    exec,
    findProgram: (command) => programs.get(command),
    readFile: (path) => {
      const text = texts.get(path);
      if (text !== undefined) return text;
      if (errors.has(path)) throw errors.get(path);
      return readText(path);
    },
  };
}

/** Where kuberc is, were it only to be read; what is wrong with how it is named is told later. */
function kubercPath(
  env: Readonly<Record<string, string>>,
  args: readonly string[],
  home: string,
  cwd: string,
): string | undefined {
  try {
    return kubercFile(env, args, home, cwd)?.path;
  } catch {
    return undefined;
  }
}

/** Looks for all programs that an allowlist and the users of kubeconfigs name. */
async function findPrograms(
  kubeconfigs: readonly (readonly [path: string, text: string | undefined])[],
  kuberc: string,
  programs: Map<string, string | undefined>,
): Promise<void> {
  const [{ findProgram }, { parseKuberc }, { parseKubeconfig }, { commandOf }] = await Promise.all([
    import("../../base/program_path.ts"),
    import("./kuberc.ts"),
    import("./kubeconfig.ts"),
    import("../auth/credential_plugin.ts"),
  ]);
  const file = { path: "", shown: "", explicit: false };
  // What is wrong with any of them is told of when it is used.
  const policy = await parseKuberc(kuberc, file, () => {}).catch(() => undefined);
  const commands = [...policy?.allowed ?? []];
  for (const [path, text] of kubeconfigs) {
    const config = text === undefined ? undefined : await parseKubeconfig(text, path).catch(() => undefined);
    for (const { entry: { exec }, directory } of config?.users.values() ?? []) {
      if (exec) commands.push(commandOf(exec.command, directory));
    }
  }
  for (const command of commands) programs.set(command, findProgram(command));
}
