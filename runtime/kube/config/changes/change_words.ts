/** Changes of contexts in words, as in "was not allowed to …" and "asks to …". Pure; callers escape names. */

import type { ContextChange } from "./context_changes.ts";

/** One change in words. */
export function changeInWords(change: ContextChange): string {
  switch (change.kind) {
    case "use": {
      const { from, to } = change;
      if (to === "") return `unset the current context ${named(from)}`;
      return `change the current context${from === "" ? "" : ` from ${named(from)}`} to ${named(to)}`;
    }
    case "namespace": {
      const { context, from, to } = change;
      const of = `the namespace of the context ${named(context)}`;
      if (to === "") return `unset ${of}, which is ${named(from)}`;
      return from === "" ? `set ${of} to ${named(to)}` : `change ${of} from ${named(from)} to ${named(to)}`;
    }
    case "rename":
      return `rename the context ${named(change.from)} to ${named(change.to)}`;
    case "delete":
      return `delete the context ${named(change.context)}`;
    case "add": {
      const fields = (["cluster", "user", "namespace"] as const)
        .map((field) => `${field} ${change[field] === "" ? "none" : named(change[field])}`);
      return `add the context ${named(change.context)} (${fields.join(", ")})`;
    }
  }
}

/** A name that reads as one word, or a quoted text. */
function named(name: string): string {
  return /^[\w.@:/-]+$/.test(name) ? name : JSON.stringify(name);
}
