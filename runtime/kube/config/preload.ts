/**
 * Reads the kubeconfig into memory before a plugin starts. Afterwards the process need not be able to read it, nor
 * the certificates and keys that it names. Parsing waits until the cluster is used (open_cluster.ts).
 */

import { absolute, parseConnectionFlags } from "./kubectl_flags.ts";
import { kubercFile } from "./kuberc_file.ts";
import { readText } from "./text_file.ts";

/** The files that were read ahead, and the files that cannot be. */
export interface Preloaded {
  /** The texts by path. */
  readonly texts: ReadonlyMap<string, string>;
  /** The existing kubeconfigs, texts by path. */
  readonly kubeconfigs: ReadonlyMap<string, string>;
  /** A file from memory, else from the disk. @throws as Deno.readTextFileSync */
  readonly readFile: (path: string) => string;
  /** Files that rotate during a run: tokens, certificates and keys. */
  readonly keep: readonly string[];
  /** Whether a user in the kubeconfig may have a credential plugin. */
  readonly exec: boolean;
  /**
   * Finds a program as of that time. If kuberc has an allowlist, it has looked for all commands in it and in the
   * kubeconfig.
   */
  readonly findProgram: (command: string) => string | undefined;
}

/** A kubeconfig's keys that name a file, each with the word that identifies it. */
const FILE_KEY = /(?:^|[\s"'{,])(certificate-authority|client-certificate|client-key|tokenFile)["']?\s*:/g;
/** The same on its own line with a plain or quoted value, as kubectl, minikube, kind and clouds write it. */
const FILE_LINE =
  /^[ \t]*(?:- )?["']?(certificate-authority|client-certificate|client-key|tokenFile)["']?[ \t]*:[ \t]+(?:"([^"\\\n]+)"|'([^'\n]+)'|([\w.\/~+@](?:[\w.\/~+@ ()-]*[\w.\/~+@()-])?))[ \t\r]*(?:[ \t]#.*)?$/gm;

/** The files that a kubeconfig names, as written, by purpose. Parses it only if its text is unusual. */
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
    return []; // the cluster's first use reports it
  }
}

/** What {@linkcode preloadKubeconfig} needs to know of the run. */
export interface PreloadContext {
  readonly env: Readonly<Record<string, string>>;
  /** The plugin's arguments without its name. */
  readonly args: readonly string[];
  readonly home: string;
  readonly cwd: string;
}

/** Reads the files that exist. The later use of a missing or unreadable file reports it. */
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
    // Looks for the word only. A false positive costs nothing: the next check asks whether the user has a plugin.
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

/** The path of kuberc. Its first use reports a wrong name. */
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

/** Finds all programs that an allowlist and the kubeconfigs' users name. */
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
  // The first use of the policy reports its errors.
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
