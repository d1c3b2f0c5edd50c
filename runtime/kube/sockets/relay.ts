/**
 * Listeners on loopback that forward to an existing connection. TLS functions that can only connect by themselves
 * reach a tunnel through them. A relay accepts only the connection with the expected source port.
 */

import type { Duplex } from "../../wasi/streams/connection_streams.ts";
import type { Place } from "../config/places.ts";

/** A loopback address that forwards to a connection. */
export interface Relay {
  readonly place: Place;
  /** Accepts the connection from this port. */
  expect(ownPort: number): void;
  /** Stops waiting for a connection. */
  close(): void;
}

/** How many unclaimed connections may wait. Other processes may have made them. */
const MAX_WAITING = 64;

/** Relays that share one listener. */
class Relays implements Disposable {
  readonly port: number;
  #listener: Deno.TcpListener;
  #expected = new Map<number, (inner: Duplex) => void>();
  #waiting = new Map<number, Deno.TcpConn>();
  #open = 0;

  /** @param onIdle called whenever no relay waits for a connection */
  constructor(private readonly onIdle: (relays: Relays) => void = () => {}) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#listener.unref();
    this.port = this.#listener.addr.port;
    this.#accept().catch(() => {}); // the listener is closed
  }

  to(tunnel: Duplex): Relay {
    this.#open++;
    let expected: number | undefined;
    const end = () => {
      if (expected === -1) return;
      expected = -1;
      this.#open--;
      if (this.#open > 0) return;
      this.#dropWaiting();
      this.onIdle(this);
    };
    const lead = (inner: Duplex) => {
      end();
      passBothWays(inner, tunnel);
    };
    return {
      place: { hostname: "127.0.0.1", port: this.port },
      expect: (ownPort) => {
        expected = ownPort;
        const inner = this.#waiting.get(ownPort);
        this.#waiting.delete(ownPort);
        if (inner) lead(inner);
        else this.#expected.set(ownPort, lead);
      },
      close: () => {
        if (expected !== undefined) this.#expected.delete(expected);
        end();
      },
    };
  }

  async #accept(): Promise<void> {
    for await (const inner of this.#listener) {
      const { port } = inner.remoteAddr;
      const lead = this.#expected.get(port);
      this.#expected.delete(port);
      if (lead) lead(inner);
      else if (this.#open === 0 || this.#waiting.size >= MAX_WAITING) inner.close();
      else this.#waiting.set(port, inner);
    }
  }

  #dropWaiting(): void {
    for (const inner of this.#waiting.values()) inner.close();
    this.#waiting.clear();
  }

  [Symbol.dispose](): void {
    this.#dropWaiting();
    this.#listener.close();
  }
}

let shared: Relays | undefined;

/**
 * From now on all relays share one listener, opened here, because the process is about to lose the right to open
 * others (runtime/sandbox/kernel/).
 */
export function shareRelays(): { readonly port: number } & Disposable {
  const relays = shared ??= new Relays();
  return {
    port: relays.port,
    [Symbol.dispose]() {
      relays[Symbol.dispose]();
      shared = undefined;
    },
  };
}

/** A relay to a tunnel. It closes the tunnel when its other end closes. */
export function relayTo(tunnel: Duplex): Relay {
  return (shared ?? new Relays((relays) => relays[Symbol.dispose]())).to(tunnel);
}

/**
 * Copies in both directions until both have ended, then closes both. Never rejects.
 *
 * @param gone resolves when the peer of `one` has closed it. The other is then closed once it has received everything.
 */
export async function passBothWays(one: Duplex, other: Duplex, gone?: Promise<void>): Promise<void> {
  const there = pass(one, other);
  gone?.then(() => there).then(() => closeAll(one, other));
  await Promise.all([there, pass(other, one)]);
  closeAll(one, other);
}

/** Copies everything from one connection to the other, the end included. */
async function pass(from: Duplex, to: Duplex): Promise<void> {
  const buffer = new Uint8Array(65536);
  try {
    for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
      for (let part = buffer.subarray(0, count); part.length > 0;) part = part.subarray(await to.write(part));
    }
    await to.closeWrite();
  } catch {
    closeAll(from, to);
  }
}

/** Closes the connections that are still open. */
export function closeAll(...connections: Duplex[]): void {
  for (const each of connections) {
    try {
      each.close();
    } catch { /* it is closed */ }
  }
}
