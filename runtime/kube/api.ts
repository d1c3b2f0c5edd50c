/** The host's side of `krew-wasm:kubernetes/cluster` (wit/kubernetes.wit). */

// deno-lint-ignore-file no-throw-literal -- jco hands what is thrown, if it is no Error, to the guest as the error value

import { AppError, type ErrorCode, messageOf } from "../errors.ts";
import type { Sandbox } from "../sandbox.ts";
import { BodySource } from "../wasi/body.ts";
import { InputStream } from "../wasi/p2/io.ts";
import type * as Wit from "../../wit/generated/interfaces/krew-wasm-kubernetes-cluster.d.ts";
import type { ClusterResponse } from "./cluster.ts";

/** A response, of this interface and of `upgrade`. */
export class Response {
  #response: ClusterResponse;
  #source: BodySource;
  #taken = false;

  constructor(response: ClusterResponse) {
    this.#response = response;
    this.#source = new BodySource(response.body);
  }

  status(): number {
    return this.#response.status;
  }

  headers(): [string, string][] {
    return this.#response.headers.map(([name, value]) => [name, value]);
  }

  body(): InputStream {
    if (this.#taken) throw undefined;
    this.#taken = true;
    return new InputStream(this.#source);
  }

  [Symbol.dispose](): void {
    if (!this.#taken) this.#source.close();
  }
}

const TAGS: Partial<Record<ErrorCode, Wit.Error["tag"]>> = {
  DESTINATION_REFUSED: "denied",
  REQUEST_INVALID: "invalid",
  CREDENTIALS_FAILED: "credentials",
  CLUSTER_UNREACHABLE: "unreachable",
  CLUSTER_TLS: "unreachable",
};

/** Why there is no response, in the interface's terms. `refused` is told of it, for the user. */
export function witError(error: unknown, refused: (error: AppError) => void): Wit.Error {
  if (!(error instanceof AppError)) return { tag: "unreachable", val: messageOf(error) };
  refused(error);
  const val = error.hint === undefined ? error.message : `${error.message} (${error.hint})`;
  return { tag: TAGS[error.code] ?? "no-cluster", val };
}

/** The interface by name. `refused` is told of each failure, for the user. */
export function clusterInterfaces(sandbox: Sandbox, refused: (error: AppError) => void) {
  const failed = (error: unknown): never => {
    throw witError(error, refused);
  };
  return {
    "krew-wasm:kubernetes/cluster": {
      Response,
      async current(): Promise<Wit.Connection> {
        const { context, server, namespace } = await sandbox.cluster().catch(failed);
        return { context, server, namespace };
      },
      async send({ method, path, headers, body }: Wit.Request): Promise<Response> {
        if (!path.startsWith("/")) {
          return failed(new AppError("REQUEST_INVALID", `"${path}" is not a path: it begins with no slash`));
        }
        const cluster = await sandbox.cluster().catch(failed);
        const request = { method, url: path, headers, ...(body === undefined ? {} : { body: body.slice() }) };
        return new Response(await cluster.send(request).catch(failed));
      },
    },
  };
}
