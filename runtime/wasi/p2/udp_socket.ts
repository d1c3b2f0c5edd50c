/** wasi:sockets/udp: sockets that reach nothing. */

// deno-lint-ignore-file no-throw-literal -- jco passes a thrown value other than an Error to the guest as the error
// value

import { type Pollable, pollableOf, READY } from "./pollables.ts";
import { HOPS, SocketHints } from "./socket_hints.ts";
import type * as Wit from "../../../wit/generated/interfaces/wasi-sockets-network.d.ts";

export class IncomingDatagramStream {}
export class OutgoingDatagramStream {}

/** wasi:sockets/udp.udp-socket: can be made, because runtimes probe for it, but not bound. */
export class UdpSocket extends SocketHints {
  startBind(_network: object, address: Wit.IpSocketAddress): void {
    if (address.tag !== this.addressFamily()) throw "invalid-argument";
    throw "access-denied";
  }

  finishBind(): never {
    throw "not-in-progress";
  }

  stream(): never {
    throw "invalid-state"; // the socket is not bound
  }

  localAddress(): never {
    throw "invalid-state";
  }

  remoteAddress(): never {
    throw "invalid-state";
  }

  unicastHopLimit(): number {
    return this[HOPS];
  }
  setUnicastHopLimit(value: number): void {
    this[HOPS] = value;
  }
  subscribe(): Pollable {
    return pollableOf(READY);
  }
}
