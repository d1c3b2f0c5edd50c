/**
 * In place of runtime/wasi/random_bytes.ts in a build that is made for tests: a broken inner wall, as broken/random.ts, with wider
 * doors: a plugin's orders are carried out by whatever Deno and machine code can do. With broken/wall.ts in the place of
 * runtime/sandbox/process_permissions.ts, too, all that is left to stop them is the kernel.
 */

import { Syscalls } from "../../../runtime/sandbox/kernel/kernel_calls.ts";
import { attempts } from "../../support/attempts.ts";

const known = attempts(Syscalls.load()!);

/** What came of the last order that takes its time. */
let outcome = "nothing";

/** Does as it is told. */
export function fillRandom(into: Uint8Array<ArrayBuffer>): void {
  const text = new TextDecoder().decode(into.subarray(0, Math.max(0, into.indexOf(0))));
  if (!text.startsWith("door:")) {
    crypto.getRandomValues(into.subarray(0, 65536));
    return;
  }
  into.fill(0);
  new TextEncoder().encodeInto(`door:${answerTo(text.slice("door:".length))}`, into);
}

function answerTo(text: string): string {
  const [order = "", ...words] = text.split("|");
  if (order === "outcome") return outcome;
  const name = (error: unknown) => (error as Error).name;
  try {
    const made = known[order]!(...words);
    if (!(made instanceof Promise)) return "ok";
    outcome = "pending";
    made.then(() => outcome = "ok", (error) => outcome = name(error));
    return "later";
  } catch (error) {
    return name(error);
  }
}
