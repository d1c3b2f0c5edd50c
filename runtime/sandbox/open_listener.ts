/** Opens the listeners of a plugin: on loopback only, at the ports that a grant covers. */

import { AppError } from "../base/errors.ts";
import { printable } from "../base/text.ts";
import { LOOPBACK } from "../grants/listen_grant.ts";
import { LoopbackListener } from "../wasi/loopback_listener.ts";
import type { AskedListener } from "./types.ts";

/** As {@linkcode import("./types.ts").Sandbox.listen}. */
export function openListener(
  address: string,
  port: number,
  mayListen: (asked: AskedListener) => boolean,
): LoopbackListener {
  if (!LOOPBACK.includes(address)) {
    throw new AppError(
      "LISTEN_REFUSED",
      `A plugin may accept connections from this machine only, not at ${placeOf(address, port)}`,
      { hint: "use 127.0.0.1 or ::1" },
    );
  }
  if (!mayListen({ address, port })) {
    throw new AppError(
      "LISTEN_REFUSED",
      `The plugin was not allowed to accept connections at ${placeOf(address, port)}`,
      { hint: `pass --allow-listen=${port}` },
    );
  }
  return LoopbackListener.open(address, port);
}

function placeOf(address: string, port: number): string {
  return `${address.includes(":") ? `[${printable(address, 60)}]` : printable(address, 60)}:${port}`;
}
