/** Turns of the event loop for modules that ask a socket again and again. */

import { ERRNO } from "../errno.ts";
import type { MaybePromise } from "../streams/streams.ts";

/** How long a module may ask without a turn for the network, in milliseconds. */
const TURN = 5;
let lastTurn = 0;

/** Gives the network a turn before "would block": a module that never polls would otherwise ask forever. */
export function afterTurn(errno: MaybePromise<number>): MaybePromise<number> {
  if (errno !== ERRNO["would-block"] || performance.now() - lastTurn < TURN) return errno;
  return new Promise((resolve) =>
    setTimeout(() => {
      lastTurn = performance.now();
      resolve(errno);
    }, 0)
  );
}
