/** A TCP listener on loopback. Connections wait in a short queue until the plugin accepts them. */

import type { Readiness } from "./streams/streams.ts";

/** How many accepted connections wait for the plugin; the kernel keeps further ones. */
const MAX_WAITING = 16;

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
    return new LoopbackListener(Deno.listen({ hostname, port, transport: "tcp" }));
  }

  async #acceptAll(): Promise<void> {
    while (!this.#closed) {
      let connection: Deno.TcpConn;
      try {
        connection = await this.#listener.accept();
      } catch {
        if (this.#closed) return;
        // A client that gave up, or too many open files: neither ends the listener.
        await new Promise((resolve) => setTimeout(resolve, 10));
        continue;
      }
      if (this.#closed) return connection.close();
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

  /** Stops listening, and closes the connections that were not taken. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listener.close();
    for (const connection of this.#waiting) connection.close();
    this.#waiting = [];
    this.#change();
  }
}
