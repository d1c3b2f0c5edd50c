/** A plugin's properties in words, for tables and messages. Pure. */

import { NO_REGISTRY } from "../../runtime/base/reference.ts";
import { printable } from "../../runtime/base/text.ts";
import { type Provenance, sourceInWords } from "../../runtime/policy/provenance.ts";

/** The form of a plugin: `module` or `component`. JSON has `preview1` for an installed module. */
export function kindText(kind: "preview1" | "module" | "component"): string {
  return kind === "component" ? "component" : "module";
}

/** The reference of an installed plugin, and how krew-wasm got it. Safe to print. */
export function originText({ reference, source }: Pick<Provenance, "reference" | "source">): string {
  return reference.startsWith(`${NO_REGISTRY}/`)
    ? `the bundle ${
      printable(reference.slice(NO_REGISTRY.length + 1).replace(/@.*$/, ""), 300)
    }, which names no registry`
    : `${printable(reference, 400)}${sourceInWords(source)}`;
}
