/** A TCP listener on loopback. Connections wait in a short queue until the plugin accepts them. */

import type { Readiness } from "./streams/streams.ts";

/** How many accepted connections wait for the plugin; the kernel keeps further ones. */
const MAX_WAITING = 16;

/**
 * Closed listeners, until the event loop's next turn. Deno frees a port only then, but a program may listen there again at
 * once.
 */
const leaving = new Map<string, LoopbackListener>();

/** An open listener. */
export class LoopbackListener implements Readiness {
  readonly address: string;
  readonly port: number;
  #listener: Deno.TcpListener;
  #waiting: Deno.TcpConn[] = [];
  #closed = false;
  #changed = Promise.withResolvers<void>();

  private constructor(listener: Deno.TcpListener) {
    this.#listener = listener;
    this.address = listener.addr.hostname;
    this.port = listener.addr.port;
    this.#acceptAll();
  }

  /** @throws the error of the operating system */
  static open(hostname: string, port: number): LoopbackListener {
    const left = leaving.get(`${hostname} ${port}`);
    if (left) {
      left.#closed = false;
      leaving.delete(left.#name);
      return left;
    }
    return new LoopbackListener(Deno.listen({ hostname, port, transport: "tcp" }));
  }

  async #acceptAll(): Promise<void> {
    for (;;) {
      let connection: Deno.TcpConn;
      try {
        connection = await this.#listener.accept();
      } catch {
        if (this.#closed && leaving.get(this.#name) !== this) return;
        // A client that gave up, or too many open files: neither ends the listener.
        await new Promise((resolve) => setTimeout(resolve, 10));
        continue;
      }
      if (this.#closed) {
        connection.close();
        continue;
      }
      connection.setNoDelay(true);
      this.#waiting.push(connection);
      this.#change();
      while (this.#waiting.length >= MAX_WAITING && !this.#closed) await this.#changed.promise;
    }
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** Whether {@linkcode take} has a connection, or the listener is closed. */
  ready(): boolean {
    return this.#waiting.length > 0 || this.#closed;
  }

  async wait(): Promise<void> {
    while (!this.ready()) await this.#changed.promise;
  }

  /** The next connection; undefined if none waits. */
  take(): Deno.TcpConn | undefined {
    const connection = this.#waiting.shift();
    if (connection) this.#change();
    return connection;
  }

  get #name(): string {
    return `${this.address} ${this.port}`;
  }

  /** Stops listening, and closes the connections that were not taken. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    leaving.set(this.#name, this);
    setTimeout(() => {
      if (leaving.get(this.#name) !== this) return;
      leaving.delete(this.#name);
      this.#listener.close();
    }, 0);
    for (const connection of this.#waiting) connection.close();
    this.#waiting = [];
    this.#change();
  }
}
