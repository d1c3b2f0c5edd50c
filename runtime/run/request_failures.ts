/** Why requests of a plugin had no answer, kept for its user: interfaces with codes and no words can't say. */

import type { AppError, ErrorCode } from "../base/errors.ts";
import type { Sandbox } from "../sandbox/types.ts";
import { printable } from "../base/text.ts";
import type { ByteSink } from "../wasi/streams/streams.ts";

/** The most failures that are told of. */
const MAX_TOLD = 5;
/** What the transport traces itself, in the request's own line. */
const TRACED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "CLUSTER_UNREACHABLE",
  "CLUSTER_TLS",
  "CREDENTIALS_FAILED",
]);

/** The failures of one run. */
export class Failures {
  #failures = new Map<string, AppError>();
  #explained = new Map<string, AppError>();
  #spoke = false;

  constructor(private readonly sandbox: Pick<Sandbox, "stderr" | "trace">) {}

  /** The plugin's stderr, watched for whether it says anything. */
  watched(): ByteSink {
    const sink = this.sandbox.stderr;
    return {
      ready: () => sink.ready(),
      wait: () => sink.wait(),
      write: (bytes) => {
        this.#spoke ||= bytes.length > 0;
        return sink.write(bytes);
      },
      capacity: () => sink.capacity(),
      flush: () => sink.flush(),
      close: () => sink.close(),
    };
  }

  /** One line for `-v`, where the request has none of its own. */
  trace(error: AppError): void {
    if (!TRACED.has(error.code)) this.sandbox.trace(error.message);
  }

  /** Keeps it, each once. */
  add(error: AppError): void {
    this.trace(error);
    if (this.#failures.size < MAX_TOLD) this.#failures.set(error.message, error);
  }

  /** Keeps one whose words the plugin was given: it is told where the plugin says nothing at all. */
  explain(error: AppError): void {
    this.trace(error);
    if (this.#explained.size < MAX_TOLD) this.#explained.set(error.message, error);
  }

  /** Writes them to stderr: the plugin has failed. */
  tell(): void {
    const told = this.#spoke ? this.#failures : new Map([...this.#failures, ...this.#explained]);
    const lines = [...told.values()].map(({ message, hint }) =>
      `krew-wasm: ${printable(message)}${hint === undefined ? "" : ` (${printable(hint)})`}\n`
    );
    let bytes = new TextEncoder().encode(lines.join(""));
    while (bytes.length > 0) {
      const written = this.sandbox.stderr.write(bytes);
      if (written instanceof Promise) return;
      bytes = bytes.subarray(written);
    }
  }
}
