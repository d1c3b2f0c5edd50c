/** The names of plugins, and of the files that kubectl calls for them. Pure. */

import { AppError } from "./errors.ts";
import { printable } from "./text.ts";

/**
 * kubectl's own commands (1.37), aliases included. kubectl would never call a plugin of such a name. Source: `kubectl
 * --help` and the hidden commands of k8s.io/kubectl/pkg/cmd.
 */
export const KUBECTL_COMMANDS: ReadonlySet<string> = new Set(
  ("alpha annotate api-resources api-versions apply attach auth autoscale certificate cluster-info completion " +
    "config cordon cp create debug delete describe diff drain edit events exec explain expose get help kuberc " +
    "kustomize label logs log options patch plugin port-forward proxy replace rollout run scale set taint top " +
    "uncordon untaint version wait __complete __completeNoDesc").split(" "),
);

/** `kubectl wasm` is krew-wasm itself, so no plugin has this name. */
export const MANAGER = "wasm";

// Windows treats these file names as devices, with any extension.
const WINDOWS_DEVICE = /^(con|prn|aux|nul|com[0-9]|lpt[0-9])$/;
const NAME = /^[a-z0-9]+(-[a-z0-9]+)*$/;
const LIMIT = 64;

/**
 * Parses a plugin's name: lower-case letters, digits and dashes, at most 64. An underscore becomes a dash, because kubectl
 * looks for the same file in both cases (`kubectl foo-bar` runs `kubectl-foo_bar`).
 *
 * @throws AppError NAME_INVALID
 */
export function parsePluginName(text: string): string {
  const name = text.replaceAll("_", "-");
  const shown = `"${printable(text, 80)}"`;
  const hint = "choose one with --name, of lower-case letters, digits and dashes";
  if (name.length > LIMIT) {
    throw new AppError("NAME_INVALID", `Plugin name ${shown} is longer than ${LIMIT} characters`, { hint });
  }
  if (!NAME.test(name) || WINDOWS_DEVICE.test(name)) {
    throw new AppError("NAME_INVALID", `${shown} is not a plugin name`, { hint });
  }
  if (KUBECTL_COMMANDS.has(name)) {
    throw new AppError(
      "NAME_INVALID",
      `${shown} is a command of kubectl itself, which a plugin can't replace`,
      {
        hint: "choose another with --name",
      },
    );
  }
  if (name === MANAGER) {
    throw new AppError("NAME_INVALID", `${shown} is krew-wasm's own name for kubectl (kubectl wasm)`, {
      hint: "choose another with --name",
    });
  }
  return name;
}

/** The file name by which kubectl finds a plugin: dashes become underscores (kubectl's plugin handler). */
export function linkName(name: string): string {
  return `kubectl-${name.replaceAll("-", "_")}`;
}

/** The file that kubectl (1.26 and later) calls to complete a plugin's arguments. */
export function completionLinkName(name: string): string {
  return `kubectl_complete-${name.replaceAll("-", "_")}`;
}

/** The plugin's name for a file that kubectl called, the reverse of {@linkcode linkName}. */
export function nameOfLink(link: string): string {
  return link.slice("kubectl-".length).replaceAll("_", "-");
}

/**
 * A plugin's default name: the last segment of a repository or path, without `kubectl-` in front and `.wasm` behind.
 *
 * @throws AppError NAME_INVALID
 */
export function defaultPluginName(path: string): string {
  const last = path.split(/[\\/]/).at(-1) ?? "";
  return parsePluginName(last.replace(/\.wasm$/, "").replace(/^kubectl[-_]/, ""));
}
