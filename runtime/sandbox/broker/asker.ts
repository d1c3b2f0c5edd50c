/** Asks questions through the broker. This process uses the terminal only to wait for its turn. */

import type { Ask } from "../permission_request_types.ts";
import type { Syscalls } from "../kernel/kernel_calls.ts";
import type { Broker } from "./broker_client.ts";

const O_RDWR = 2;
const O_NOCTTY = 0o400;
// <sys/file.h>
const LOCK_SH = 1;
const LOCK_UN = 8;

/** Asks through the run's broker, once it exists; undefined if the process has no terminal. */
export function brokeredAsk(system: Syscalls): Ask | undefined {
  const terminal = system.open("/dev/tty", O_RDWR | O_NOCTTY);
  if (terminal < 0) return undefined;
  system.close(terminal);
  let broker: Pick<Broker, "ask"> | undefined;
  const turns = openByName(system);
  const { flock } = system.numbers;
  return Object.assign(((_, about) => broker?.ask(about)) satisfies Ask as Ask, {
    by: (started: Pick<Broker, "ask">) => broker = started,
    quietly<T>(write: () => T): T {
      system.call(flock, turns, LOCK_SH);
      try {
        return write();
      } finally {
        system.call(flock, turns, LOCK_UN);
      }
    },
  });
}

/** Opens the terminal by its own name (prompt.ts). -1 if there is none. */
function openByName(system: Syscalls): number {
  for (const [stream, fd] of [[Deno.stdin, 0], [Deno.stdout, 1], [Deno.stderr, 2]] as const) {
    if (!stream.isTerminal()) continue;
    try {
      return system.open(Deno.readLinkSync(`/proc/self/fd/${fd}`), O_RDWR | O_NOCTTY);
    } catch { /* without /proc */ }
  }
  return -1;
}
