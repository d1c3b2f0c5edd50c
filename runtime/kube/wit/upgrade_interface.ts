/** The host's side of `krew-wasm:kubernetes/upgrade` (wit/kubernetes.wit). */

// deno-lint-ignore-file no-throw-literal -- jco passes a thrown value other than an Error to the guest as the error
// value

import { AppError } from "../../base/errors.ts";
import type { Sandbox } from "../../sandbox/types.ts";
import { InputStream, OutputStream } from "../../wasi/p2/io.ts";
import { type Pollable, pollableOf } from "../../wasi/p2/pollables.ts";
import { StreamClosed } from "../../wasi/streams/streams.ts";
import { headersFromText } from "../http/header_text.ts";
import { Response, witError } from "./cluster_interface.ts";
import type { Close } from "../websocket/frames.ts";
import { WebSocketError } from "../websocket/frames.ts";
import type { UpgradedConnection } from "../websocket/channels.ts";
import type * as Wit from "../../../wit/generated/interfaces/krew-wasm-kubernetes-upgrade.d.ts";

/** For results without an error value: the connection can't do the operation. */
function orNothing<T>(operation: () => T): T {
  try {
    return operation();
  } catch (error) {
    if (error instanceof AppError) throw undefined;
    throw error;
  }
}

class Connection {
  #connection: UpgradedConnection;

  constructor(connection: UpgradedConnection) {
    this.#connection = connection;
  }

  protocol(): string {
    return this.#connection.protocol;
  }

  input(channel: number): InputStream {
    return orNothing(() => new InputStream(this.#connection.input(channel)));
  }

  output(channel: number): OutputStream {
    return orNothing(() => new OutputStream(this.#connection.output(channel)));
  }

  inputBytes(): InputStream {
    return orNothing(() => new InputStream(this.#connection.inputBytes()));
  }

  outputBytes(): OutputStream {
    return orNothing(() => new OutputStream(this.#connection.outputBytes()));
  }

  receive(): Wit.Message | undefined {
    const message = this.#ended(() => this.#connection.receive());
    if (message === "ended") throw this.#close();
    return message && { text: message.text, data: message.bytes };
  }

  subscribeReceive(): Pollable {
    return pollableOf(this.#connection);
  }

  send({ text, data }: Wit.Message): boolean {
    return this.#ended(() => this.#connection.send({ text, bytes: data }));
  }

  subscribeSend(): Pollable {
    return pollableOf(this.#connection.writable);
  }

  closed(): Wit.CloseReason | undefined {
    return this.#connection.closed;
  }

  close(code: number, reason: string): void {
    this.#connection.close(code === 1000 || code >= 3000 && code <= 4999 ? code : 1000, reason);
  }

  [Symbol.dispose](): void {
    this.#connection.drop();
  }

  /** Adds how the connection ended to an error that its end, or its other use, caused. */
  #ended<T>(operation: () => T): T {
    try {
      return operation();
    } catch (error) {
      if (error instanceof AppError) throw { code: 1003, reason: error.message } satisfies Wit.CloseReason;
      if (error instanceof WebSocketError || error instanceof StreamClosed || error instanceof Error) {
        throw this.#close();
      }
      throw error;
    }
  }

  #close(): Close {
    return this.#connection.closed ?? { code: 1006, reason: "" };
  }
}

/** The interface by name. `refused` gets each failure for the user. */
export function upgradeInterfaces(sandbox: Sandbox, refused: (error: AppError) => void) {
  const brokeOff = (error: unknown): void => {
    if (error instanceof AppError) refused(error);
  };
  return {
    "krew-wasm:kubernetes/upgrade": {
      Connection,
      async open({ path, headers, protocols }: Wit.Request): Promise<Connection> {
        let answer;
        try {
          if (!path.startsWith("/")) {
            throw new AppError("REQUEST_INVALID", `"${path}" is not a path: it begins with no slash`);
          }
          answer = await (await sandbox.cluster()).upgrade({
            url: path,
            headers: headersFromText(headers),
            protocols,
          });
        } catch (error) {
          throw { tag: "failed", val: witError(error, refused) };
        }
        sandbox.stdin.share?.();
        if ("upgraded" in answer) return new Connection(answer.upgraded);
        throw { tag: "refused", val: new Response(answer.refused, brokeOff) };
      },
    },
  };
}
