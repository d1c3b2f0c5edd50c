/** What a component receives: wasi:http/types.incoming-response, incoming-body, and the futures of both. */

// deno-lint-ignore-file no-throw-literal -- jco passes a thrown value other than an Error to the guest as the error
// value

import type { ClusterResponse } from "../../kube/cluster.ts";
import { BodySource } from "../streams/body.ts";
import { type ErrorCode, errorCodeOf } from "./http_errors.ts";
import { Fields, RECEIVED } from "./http_fields.ts";
import { InputStream } from "./io.ts";
import { type Pollable, pollableOf, READY } from "./pollables.ts";

type Result<T> = { tag: "ok"; val: T } | { tag: "err"; val: ErrorCode };

/** wasi:http/types.incoming-body */
export class IncomingBody {
  #source: BodySource;
  #taken = false;

  constructor(source: BodySource) {
    this.#source = source;
  }

  stream(): InputStream {
    if (this.#taken) throw undefined;
    this.#taken = true;
    return new InputStream(this.#source);
  }

  static finish(body: IncomingBody): FutureTrailers {
    body.#source.close();
    return new FutureTrailers();
  }

  [Symbol.dispose](): void {
    this.#source.close();
  }
}

/** wasi:http/types.future-trailers: always empty, because fetch does not return trailers. */
export class FutureTrailers {
  #taken = false;

  subscribe(): Pollable {
    return pollableOf(READY);
  }

  get(): unknown {
    if (this.#taken) return { tag: "err" };
    this.#taken = true;
    return { tag: "ok", val: { tag: "ok", val: undefined } };
  }
}

/** wasi:http/types.incoming-response */
export class IncomingResponse {
  #response: ClusterResponse;
  #source: BodySource;
  #consumed = false;

  /** @param patience the longest wait for the next bytes of the body, in milliseconds */
  constructor(
    response: ClusterResponse,
    failed: (error: unknown) => void,
    patience: number | undefined,
  ) {
    this.#response = response;
    this.#source = new BodySource(response.body, failed, patience);
  }

  status(): number {
    return this.#response.status;
  }
  headers(): Fields {
    return Fields[RECEIVED](this.#response.headers);
  }

  consume(): IncomingBody {
    if (this.#consumed) throw undefined;
    this.#consumed = true;
    return new IncomingBody(this.#source);
  }

  [Symbol.dispose](): void {
    if (!this.#consumed) this.#source.close();
  }
}

/** wasi:http/types.future-incoming-response */
export class FutureIncomingResponse {
  #result: Result<IncomingResponse> | undefined;
  #readiness = { ready: () => this.#result !== undefined, wait: () => this.#settled };
  #taken = false;
  #dropped = false;
  #settled: Promise<void>;
  #abort: AbortController;

  constructor(response: Promise<IncomingResponse>, abort: AbortController) {
    this.#abort = abort;
    this.#settled = response.then(
      (response) => {
        this.#result = { tag: "ok", val: response };
        if (this.#dropped) response[Symbol.dispose](); // it arrived after the guest dropped the future
      },
      (error) => {
        this.#result = { tag: "err", val: errorCodeOf(error) };
      },
    );
  }

  subscribe(): Pollable {
    return pollableOf(this.#readiness);
  }

  get(): unknown {
    if (this.#result === undefined) return undefined;
    if (this.#taken) return { tag: "err" };
    this.#taken = true;
    return { tag: "ok", val: this.#result };
  }

  [Symbol.dispose](): void {
    this.#dropped = true;
    // Dropping the future before the response arrives aborts the request.
    if (this.#result === undefined) this.#abort.abort();
    else if (!this.#taken && this.#result.tag === "ok") this.#result.val[Symbol.dispose]();
  }
}
