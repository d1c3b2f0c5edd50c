/**
 * Replaces runtime/wasi/random_bytes.ts in a test build: a broken sandbox like broken/random.ts, with more power. It
 * carries out a plugin's orders by everything that Deno and machine code can do. If broken/wall.ts also replaces
 * runtime/sandbox/process_permissions.ts, only the kernel can stop them.
 */

import { Syscalls } from "../../../runtime/sandbox/kernel/kernel_calls.ts";
import { attempts } from "../../support/attempts.ts";

const known = attempts(Syscalls.load()!);

/** The outcome of the last order that finishes later. */
let outcome = "nothing";

/** Carries out the order. */
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
