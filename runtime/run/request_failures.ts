/** Keeps the reasons of failed requests for the user, because some interfaces can only return codes. */

import type { AppError, ErrorCode } from "../base/errors.ts";
import type { Sandbox } from "../sandbox/types.ts";
import { printable } from "../base/text.ts";
import type { ByteSink } from "../wasi/streams/streams.ts";

/** At most this many failures are printed. */
const MAX_TOLD = 5;
/** The transport traces these itself, in the request's own line. */
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

  /** The plugin's stderr, watched for output. */
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

  /** Traces a failure with `-v`, unless its request has its own line. */
  trace(error: AppError): void {
    if (!TRACED.has(error.code)) this.sandbox.trace(error.message);
  }

  /** Keeps a failure, each text once. */
  add(error: AppError): void {
    this.trace(error);
    if (this.#failures.size < MAX_TOLD) this.#failures.set(error.message, error);
  }

  /** Keeps a failure that the plugin knows in words. It is printed only if the plugin writes nothing at all. */
  explain(error: AppError): void {
    this.trace(error);
    if (this.#explained.size < MAX_TOLD) this.#explained.set(error.message, error);
  }

  /** Writes the failures to stderr, after the plugin has failed. */
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
