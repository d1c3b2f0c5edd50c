/** Changes contexts in the user's kubeconfig files outside of the wall, once a person or a grant allowed exactly that. */

import type { ContextChange } from "../../kube/config/changes/context_changes.ts";
import { loadYaml, writeKubeconfigs } from "../../kube/config/changes/write_kubeconfigs.ts";
import type { BrokerContext } from "./broker_context.ts";
import { BadMessage, type Fields } from "./fields.ts";

const MAX_CHANGES = 50;

/** The changes of a message. @throws BadMessage */
export function changesOf(fields: Fields): ContextChange[] {
  const changes = fields.list("changes");
  if (changes.length === 0 || changes.length > MAX_CHANGES) {
    throw new BadMessage("changes are too many or none");
  }
  return changes.map(changeOf);
}

function changeOf(fields: Fields): ContextChange {
  const text = (name: string) => fields.text(name);
  const kind = text("kind");
  switch (kind) {
    case "use":
    case "rename":
      return { kind, from: text("from"), to: text("to") };
    case "namespace":
      return { kind, context: text("context"), from: text("from"), to: text("to") };
    case "delete":
      return { kind, context: text("context") };
    case "add":
      return {
        ...{ kind, context: text("context") },
        ...{ cluster: text("cluster"), user: text("user"), namespace: text("namespace") },
      };
    default:
      throw new BadMessage("kind is none of a change");
  }
}

/** The kubeconfig files of one run. */
export class ChangedKubeconfig {
  #paths: readonly string[];
  #known: ReadonlyMap<string, string>;

  constructor({ kubeconfigs, texts }: BrokerContext) {
    this.#paths = kubeconfigs;
    this.#known = new Map(texts);
  }

  /** The first existing file, for the question. */
  get path(): string {
    return this.#paths.find((path) => this.#known.has(path)) ?? this.#paths.at(-1) ?? "";
  }

  /** @throws AppError KUBECONFIG_UNCHANGED */
  async change(changes: readonly ContextChange[]): Promise<void> {
    this.#known = writeKubeconfigs(this.#paths, this.#known, changes, await loadYaml());
  }
}
