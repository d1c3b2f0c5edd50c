/** The kubeconfig that a plugin writes: checks each version, asks the person, and changes the user's files. */

import { AppError } from "../base/errors.ts";
import { formatError, printError } from "../run/error_report.ts";
import { WasiError } from "../wasi/errno.ts";
import type { PermissionRequests } from "./permission_requests.ts";
import type { PluginKubeconfig } from "./plugin_kubeconfig.ts";
import type { RightsLeft, RunCluster } from "./run_cluster.ts";
import type { WritableKubeconfig } from "./types.ts";

/** What {@linkcode KubeconfigChanges} needs. */
export interface KubeconfigChangesContext {
  readonly kubeconfig: PluginKubeconfig;
  readonly cluster: Pick<RunCluster, "redacted">;
  readonly permissionRequests: PermissionRequests;
  readonly rights: Readonly<RightsLeft>;
}

/** The changes of one run. */
export class KubeconfigChanges {
  #context: KubeconfigChangesContext;
  #writable: WritableKubeconfig | undefined;
  /** The last version was not taken over, so the plugin's work is lost. */
  #lost = false;

  constructor(context: KubeconfigChangesContext) {
    this.#context = context;
  }

  /** Loads what a change needs. @throws AppError KUBECONFIG_INVALID, KUBECONFIG_UNREADABLE */
  async writable(): Promise<WritableKubeconfig> {
    const { cluster, rights, kubeconfig } = this.#context;
    const [{ contextChanges, RefusedChange }, { changeInWords }, { loadGoYaml }, before] = await Promise.all([
      import("../kube/config/changes/context_changes.ts"),
      import("../kube/config/changes/change_words.ts"),
      import("../kube/config/go_yaml.ts"),
      cluster.redacted(),
    ]);
    const parse = await loadGoYaml();
    const parseOnce = (text: string) => parse(text, { uniqueKeys: true, maxAliases: 0 });
    const write = await this.#writer();
    let last = new TextDecoder().decode(before);
    const written = (content: Uint8Array) => {
      const text = textOf(content);
      const changes = changesOrRefusal(() => contextChanges(last, text, parseOnce), RefusedChange);
      if (typeof changes === "string") {
        this.#refuse(changes);
        throw new WasiError("not-permitted");
      }
      if (changes.length > 0) {
        const asked = { changes, path: kubeconfig.original!, words: changes.map(changeInWords) };
        if (this.#context.permissionRequests.askKubeconfig(asked) === "no") {
          this.#lost = true;
          throw new WasiError("access");
        }
        if (rights.broker) rights.broker.changeKubeconfig(changes);
        else write!(changes);
      }
      last = text;
      this.#lost = false;
    };
    return this.#writable = {
      before,
      written: (content) => this.#told(() => written(content)),
      refuse: (what) => this.#refuse(what),
    };
  }

  /** Checks what the plugin left open. Returns whether a change was lost that the plugin may believe in. */
  finish(): boolean {
    this.#writable?.atEnd?.();
    return this.#lost;
  }

  /** Without a broker, this process itself writes the files. */
  async #writer() {
    const { rights, kubeconfig } = this.#context;
    if (rights.broker) return undefined;
    const { loadYaml, writeKubeconfigs } = await import("../kube/config/changes/write_kubeconfigs.ts");
    const yaml = await loadYaml();
    let known: ReadonlyMap<string, string> = rights.preloaded?.kubeconfigs ?? new Map();
    return (changes: Parameters<typeof writeKubeconfigs>[2]) => {
      known = writeKubeconfigs(kubeconfig.paths, known, changes, yaml);
    };
  }

  #refuse(what: string): void {
    this.#lost = true;
    this.#context.permissionRequests.refuse(what);
  }

  /** Prints why the files could not be changed. The plugin sees only that writing failed. */
  #told(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      this.#lost = true;
      printError(formatError(error, false));
      throw new WasiError("io");
    }
  }
}

function changesOrRefusal<T>(run: () => T, Refusal: new () => Error): T | string {
  try {
    return run();
  } catch (error) {
    if (error instanceof Refusal) return error.message;
    throw error;
  }
}

/** Text that is not UTF-8 gets characters that no name may have. */
function textOf(content: Uint8Array): string {
  return new TextDecoder().decode(content);
}
