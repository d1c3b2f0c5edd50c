/**
 * `wasi-outbound-http`: the network interface of the plugins of 2022, in the binary form that wit-bindgen of April 2022
 * made of it, before the canonical ABI settled. Over the sandbox's cluster, as every door: the destination is checked,
 * TLS is the host's, and the identity a plugin registers (of the kubeconfig's stand-in) is not looked at.
 */

import { AppError } from "../errors.ts";
import type { ClusterResponse } from "../kube/cluster.ts";
import type { Sandbox } from "../sandbox.ts";
import type { Guest } from "./p1/memory.ts";
import type { ExtraImports } from "./preview1.ts";

/** The module's name. */
export const OUTBOUND_HTTP = "wasi-outbound-http";

const METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];
const ERRORS = {
  "destination-not-allowed": 1,
  "invalid-cfg": 2,
  "invalid-url": 3,
  "request-error": 4,
  "runtime-error": 5,
} as const;
type HttpError = keyof typeof ERRORS;

/** The most that a response's body may hold, in bytes: this interface knows no streams. */
const MAX_BODY = 1 << 30;

type N = number;
type Parameters14 = [N, N, N, N, N, N, N, N, N, N, N, N, N, N];

/** A failure in the interface's own terms. */
class Failed extends Error {
  constructor(readonly reason: HttpError) {
    super(reason);
  }
}

/** The two functions. */
export function outboundHttpImports(sandbox: Sandbox): ExtraImports {
  return {
    module: OUTBOUND_HTTP,
    suspending: ["request"],
    functions: (guest) => {
      const configs = new Set<string>();
      return {
        async request(...args: number[]): Promise<void> {
          // deno-fmt-ignore -- the parameters, in their order
          const [
            method, uri, uriLength, headers, headerCount, params, paramCount, hasBody, body, bodyLength,
            hasId, id, idLength, result,
          ] = args as Parameters14;
          try {
            const url = withParams(text(guest, uri, uriLength), pairs(guest, params, paramCount));
            const name = METHODS[method];
            if (name === undefined) throw new Failed("request-error");
            if (hasId === 1 && !configs.has(text(guest, id, idLength))) throw new Failed("invalid-cfg");
            const response = await sendTo(sandbox, {
              method: name,
              url,
              headers: pairs(guest, headers, headerCount),
              ...(hasBody === 1 ? { body: slice(guest, body, bodyLength).slice() } : {}),
            });
            const received = await readBody(response);
            storeResponse(guest, result, response, received);
          } catch (error) {
            storeSlots(guest, result, [1, ERRORS[reasonOf(error, sandbox)]]);
          }
        },
        "register-request-config"(...args: number[]): void {
          const [hasId, id, idLength, result] = args.slice(11) as [number, number, number, number];
          try {
            const name = hasId === 1 ? text(guest, id, idLength) : crypto.randomUUID();
            configs.add(name);
            storeSlots(guest, result, [0, ...storeString(guest, name)]);
          } catch (error) {
            storeSlots(guest, result, [1, ERRORS[reasonOf(error, sandbox)]]);
          }
        },
      };
    },
  };
}

async function sendTo(
  sandbox: Sandbox,
  request: Parameters<Awaited<ReturnType<Sandbox["cluster"]>>["send"]>[0],
): Promise<ClusterResponse> {
  // It takes whole URLs only; a path would be sent below the server's.
  if (!/^https?:\/\//i.test(request.url)) throw new Failed("invalid-url");
  return await (await sandbox.cluster()).send(request);
}

function reasonOf(error: unknown, sandbox: Sandbox): HttpError {
  if (error instanceof Failed) return error.reason;
  if (!(error instanceof AppError)) return "runtime-error";
  sandbox.trace(error.message);
  if (error.code === "DESTINATION_REFUSED") return "destination-not-allowed";
  return error.code === "REQUEST_INVALID" ? "invalid-url" : "request-error";
}

/** The URL with the interface's `params` behind its own query, each percent-encoded. */
function withParams(url: string, params: readonly (readonly [string, string])[]): string {
  if (params.length === 0) return url;
  const query = params.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join("&");
  const base = url.replace(/#.*$/s, "");
  return `${base}${base.includes("?") ? "&" : "?"}${query}`;
}

async function readBody({ body }: ClusterResponse): Promise<Uint8Array> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > MAX_BODY) throw new Failed("runtime-error");
    chunks.push(chunk);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

function slice(guest: Guest, pointer: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = guest.bytes();
  pointer >>>= 0;
  length >>>= 0;
  if (pointer + length > bytes.length) throw new Failed("runtime-error");
  return bytes.subarray(pointer, pointer + length);
}

function text(guest: Guest, pointer: number, length: number): string {
  return new TextDecoder().decode(slice(guest, pointer, length));
}

/** A `list<tuple<string, string>>`: 16 bytes each. */
function pairs(guest: Guest, pointer: number, count: number): [string, string][] {
  const bytes = slice(guest, pointer, count * 16);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: count >>> 0 }, (_, index) => {
    const at = (field: number) => view.getUint32(index * 16 + field * 4, true);
    return [text(guest, at(0), at(1)), text(guest, at(2), at(3))];
  });
}

function allocate(guest: Guest, align: number, size: number): number {
  const realloc = guest.exports.canonical_abi_realloc;
  if (typeof realloc !== "function") throw new Failed("runtime-error");
  const pointer = (realloc as (...args: number[]) => number)(0, 0, align, size) >>> 0;
  slice(guest, pointer, size);
  return pointer;
}

function storeBytes(guest: Guest, bytes: Uint8Array): [pointer: number, length: number] {
  const pointer = allocate(guest, 1, bytes.length);
  slice(guest, pointer, bytes.length).set(bytes);
  return [pointer, bytes.length];
}

function storeString(guest: Guest, value: string): [pointer: number, length: number] {
  return storeBytes(guest, new TextEncoder().encode(value));
}

function storeResponse(guest: Guest, result: number, response: ClusterResponse, body: Uint8Array): void {
  const { status, headers } = response;
  const list = allocate(guest, 4, headers.length * 16);
  headers.forEach(([name, value], index) => {
    const words = [...storeString(guest, name), ...storeString(guest, value)];
    words.forEach((word, field) => guest.view().setUint32(list + index * 16 + field * 4, word, true));
  });
  storeSlots(guest, result, [0, status, 1, list, headers.length, 1, ...storeBytes(guest, body)]);
}

/** One i32 in each slot of 8 bytes. */
function storeSlots(guest: Guest, result: number, words: readonly number[]): void {
  const view = guest.view();
  words.forEach((word, index) => view.setInt32((result >>> 0) + index * 8, word, true));
}
