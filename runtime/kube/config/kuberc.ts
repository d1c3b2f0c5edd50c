/**
 * Reads from kubectl's kuberc which credential plugins may be started (kubectl.config.k8s.io/v1beta1,
 * `credentialPluginPolicy`), as kubectl (pkg/kuberc) and client-go (plugin/pkg/client/auth/exec) decide it. Pure.
 */

import { isObject } from "../../base/strict_json.ts";
import { AppError, messageOf } from "../../base/errors.ts";
import { isName } from "../../base/program_path.ts";
import { printable } from "../../base/text.ts";
import { parseGoYaml } from "./go_yaml.ts";
import type { KubercFile } from "./kuberc_file.ts";

/** Which credential plugins may be started. */
export interface PluginPolicy {
  readonly policy: "AllowAll" | "DenyAll" | "Allowlist";
  /** Commands: names to find on PATH, or paths. */
  readonly allowed: readonly string[];
  /** The file's name in messages. */
  readonly where: string;
}

/**
 * Parses the policy of a kuberc. Of several documents, the first Preference counts.
 *
 * @param warn gets the warnings that kubectl prints
 * @throws AppError KUBECONFIG_INVALID
 */
export async function parseKuberc(
  text: string,
  { shown, explicit }: KubercFile,
  warn: (line: string) => void,
): Promise<PluginPolicy | undefined> {
  let problem = "";
  for (const document of documentsOf(text)) {
    if (document === undefined) {
      problem = `${shown} has text behind a separator ---`;
      break;
    }
    if (document.trim() === "") continue;
    problem = `${shown} holds no Preference of kubectl.config.k8s.io`;
    const preference = await preferenceOf(document);
    if (preference) return policyOf(preference, shown);
  }
  if (problem === "") return undefined;
  if (explicit) throw new AppError("KUBECONFIG_INVALID", problem);
  warn(problem);
  return undefined;
}

/** The documents as apimachinery's YAMLReader splits them; undefined for a separator that it refuses. */
function* documentsOf(text: string): Generator<string | undefined> {
  let start = 0;
  for (const { 0: line, index } of text.matchAll(/^---[^\n]*(?:\n|$)/gm)) {
    if (index > 0 && text[index - 1] !== "\n") continue;
    yield text.slice(start, index);
    if (!/^---\s*(?:#|$)/.test(line)) return yield undefined;
    start = index + line.length;
  }
  yield text.slice(start);
}

type Preference = Readonly<Record<string, unknown>>;

async function preferenceOf(document: string): Promise<Preference | undefined> {
  let value: unknown;
  try {
    value = await parseGoYaml(document, { uniqueKeys: false, maxAliases: 1_000_000 });
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  const fields = value as Preference;
  if (inAnyCase(fields, "kind") !== "Preference") return undefined;
  const version = inAnyCase(fields, "apiVersion");
  if (version === "kubectl.config.k8s.io/v1alpha1") return {}; // This version has no policy.
  return version === "kubectl.config.k8s.io/v1beta1" ? fields : undefined;
}

/** Go's encoding/json, with which kubectl reads kind and version, accepts a key in any case. The exact key wins. */
function inAnyCase(fields: Preference, key: string): unknown {
  if (Object.hasOwn(fields, key)) return fields[key];
  return Object.entries(fields).findLast(([name]) => name.toLowerCase() === key.toLowerCase())?.[1];
}

/** As client-go's ValidatePluginPolicy. A malformed policy is an error; it must not allow everything. */
function policyOf(preference: Preference, where: string): PluginPolicy {
  const invalid = (what: string): never => {
    throw new AppError("KUBECONFIG_INVALID", `${where}: ${what}`);
  };
  const policy = preference.credentialPluginPolicy ?? "";
  const list = preference.credentialPluginAllowlist ?? undefined;
  if (policy !== "" && policy !== "AllowAll" && policy !== "DenyAll" && policy !== "Allowlist") {
    return invalid(
      `credentialPluginPolicy is ${
        printable(JSON.stringify(policy), 100)
      }, not AllowAll, DenyAll or Allowlist`,
    );
  }
  if (policy !== "Allowlist") {
    if (list !== undefined) invalid("credentialPluginAllowlist takes credentialPluginPolicy: Allowlist");
    return { policy: policy || "AllowAll", allowed: [], where };
  }
  if (!Array.isArray(list) || list.length === 0) {
    return invalid("credentialPluginAllowlist is missing or empty: DenyAll denies all");
  }
  const allowed = list.map((entry: unknown, index): string => {
    const { command, name } = typeof entry === "object" && entry !== null ? entry as Preference : {};
    const at = `credentialPluginAllowlist[${index}]`;
    if (command && name && command !== name) invalid(`${at} has a command and another name`);
    const given = command || name;
    if (typeof given !== "string") return invalid(`${at}.command is missing or no string`);
    if (!isName(given) && !isClean(given)) {
      invalid(
        `${at}.command must be a path without ".", ".." and doubled slashes: "${printable(given, 200)}"`,
      );
    }
    return given;
  });
  return { policy, allowed, where };
}

/** Whether Go's filepath.Clean leaves a path unchanged. */
function isClean(path: string): boolean {
  const below = path.replace(/^(?:\/|(?:\.\.\/)+)/, "");
  return path === "/" || below.split("/").every((name) => !["", ".", ".."].includes(name));
}

/** Finds the program for a command. Returns an absolute path, or undefined. */
export type FindProgram = (command: string) => string | undefined;

/**
 * The program to start for an allowed command: the command itself, or the program that was found for it.
 *
 * @param command of the kubeconfig; one with a slash is absolute
 * @throws AppError CREDENTIALS_FAILED
 */
export function allowedProgram(
  command: string,
  { policy, allowed, where }: PluginPolicy,
  find: FindProgram,
): string {
  const refuse = (why: string): never => {
    throw new AppError(
      "CREDENTIALS_FAILED",
      `The credential plugin "${printable(command, 200)}" may not be started: ${why}`,
      { hint: "kubectl kuberc set changes the policy for kubectl and for plugins" },
    );
  };
  if (policy === "AllowAll" || allowed.includes(command)) return command;
  if (policy === "DenyAll") return refuse(`credentialPluginPolicy is DenyAll in ${where}`);
  const found = find(command);
  if (found !== undefined && allowed.some((entry) => entry === found || find(entry) === found)) return found;
  return refuse(`it is not in the credentialPluginAllowlist of ${where}`);
}

/**
 * Reads kuberc's policy; undefined if there is none.
 *
 * @throws AppError KUBECONFIG_INVALID, KUBECONFIG_UNREADABLE, USAGE
 */
export async function readPluginPolicy(
  file: KubercFile | undefined,
  readFile: (path: string) => string,
  warn: (line: string) => void,
): Promise<PluginPolicy | undefined> {
  if (file === undefined) return undefined;
  let text: string;
  try {
    text = readFile(file.path);
  } catch (error) {
    const problem = `Cannot read the kuberc "${file.shown}": ${printable(messageOf(error), 200)}`;
    if (file.explicit) throw new AppError("KUBECONFIG_UNREADABLE", problem);
    if (!(error instanceof Deno.errors.NotFound)) warn(problem);
    return undefined;
  }
  return await parseKuberc(text, file, warn);
}
