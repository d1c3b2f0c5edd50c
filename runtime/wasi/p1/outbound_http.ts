/**
 * `wasi-outbound-http`: the network interface of the plugins of 2022, in the binary form of wit-bindgen of April
 * 2022, before the canonical ABI settled. Requests go through the sandbox's cluster, as with every interface: the
 * host checks the destination and does TLS. It ignores the identity that a plugin registers, which comes from the
 * redacted kubeconfig.
 */

import { AppError } from "../../base/errors.ts";
import type { ClusterResponse } from "../../kube/cluster.ts";
import { headersFromText, headersToText } from "../../kube/http/header_text.ts";
import type { Sandbox } from "../../sandbox/types.ts";
import type { Failures } from "../../run/request_failures.ts";
import type { Guest } from "./memory.ts";
import type { ExtraImports } from "./preview1.ts";

/** The module's name. */
const OUTBOUND_HTTP = "wasi-outbound-http";

const METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];
const ERRORS = {
  "destination-not-allowed": 1,
  "invalid-cfg": 2,
  "invalid-url": 3,
  "request-error": 4,
  "runtime-error": 5,
} as const;
type HttpError = keyof typeof ERRORS;

/** The maximum size of anything in the guest: its addresses have 32 bits. */
const MAX_SIZE = 0xffff_ffff;
/** The first allocation for a body of unknown length, in bytes. */
const FIRST_PIECE = 65536;
/** The maximum number of headers or parameters of a request, and the UTF-8 bytes of one list. No server accepts more. */
const MAX_PAIRS = 10_000;
const MAX_PAIR_BYTES = 8 << 20;
/** The maximum number of remembered configurations, and the UTF-16 units of their names together. */
const MAX_CONFIGS = 10_000;
const MAX_NAMES = 1 << 20;

type N = number;
type RequestParameters = [N, N, N, N, N, N, N, N, N, N, N, N, N, N];
type RegisterParameters = [N, N, N, N, N, N, N, N, N, N, N, N, N, N, N];

/** A failure in the interface's terms. */
class Failed extends Error {
  constructor(readonly reason: HttpError) {
    super(reason);
  }
}

/** An error of the guest's own code that the host called: a trap, which ends the plugin. */
class GuestFailure extends Error {
  constructor(override readonly cause: unknown) {
    super();
  }
}

/** The two functions. The user sees `failures`, because the guest gets only a number. */
export function outboundHttpImports(sandbox: Sandbox, failures: Failures): ExtraImports {
  /** Writes the result of `run` into the slots, or its error's number. */
  const answer = (guest: Guest, result: number, words: readonly number[]) => {
    const view = guest.view();
    if ((result >>> 0) + words.length * 8 > view.byteLength) {
      throw new WebAssembly.RuntimeError("memory access out of bounds");
    }
    words.forEach((word, index) => view.setInt32((result >>> 0) + index * 8, word, true));
  };
  const errorOf = (error: unknown): readonly number[] => {
    if (error instanceof GuestFailure) throw error.cause;
    if (error instanceof AppError) failures.add(error);
    return [1, ERRORS[reasonOf(error)]];
  };
  return {
    module: OUTBOUND_HTTP,
    suspending: ["request"],
    functions: (guest) => {
      const configs = new Set<string>();
      let units = 0;
      return {
        async request(...args: number[]): Promise<void> {
          // deno-fmt-ignore -- the parameters, in their order
          const [
            method, uri, uriLength, headers, headerCount, params, paramCount, hasBody, body, bodyLength,
            hasId, id, idLength, result,
          ] = args as RequestParameters;
          let words: readonly number[];
          try {
            const url = withParams(text(guest, uri, uriLength), pairs(guest, params, paramCount));
            const name = METHODS[method];
            if (name === undefined) throw new Failed("request-error");
            if (hasId !== 0 && !configs.has(text(guest, id, idLength))) throw new Failed("invalid-cfg");
            const response = await sendTo(sandbox, {
              method: name,
              url,
              headers: headersFromText(pairs(guest, headers, headerCount)),
              ...(hasBody !== 0 ? { body: slice(guest, body, bodyLength).slice() } : {}),
            });
            words = await storeResponse(guest, response);
          } catch (error) {
            words = errorOf(error);
          }
          answer(guest, result, words);
        },
        "register-request-config"(...args: number[]): void {
          // deno-fmt-ignore -- the parameters, in their order; the guest must not decide whether to check names and
          // certificates
          const [
            _hostnames, _certificates, roots, rootCount, hasIdentity, key, keyLength, cert, certLength, ca, caLength,
            hasId, id, idLength, result,
          ] = args as RegisterParameters;
          let words: readonly number[];
          try {
            checkCertificates(guest, roots, rootCount);
            if (hasIdentity !== 0) {
              for (
                const [pointer, length] of [[key, keyLength], [cert, certLength], [ca, caLength]] as const
              ) {
                slice(guest, pointer, length);
              }
            }
            if (hasId !== 0 && slice(guest, id, idLength).length > MAX_NAMES) {
              throw new Failed("invalid-cfg");
            }
            const name = hasId !== 0 ? text(guest, id, idLength) : crypto.randomUUID();
            if (!configs.has(name)) {
              if (configs.size >= MAX_CONFIGS || units + name.length > MAX_NAMES) {
                throw new Failed("invalid-cfg");
              }
              units += name.length;
              configs.add(name);
            }
            words = [0, ...storeString(guest, name)];
          } catch (error) {
            words = errorOf(error);
          }
          answer(guest, result, words);
        },
      };
    },
  };
}

async function sendTo(
  sandbox: Sandbox,
  request: Parameters<Awaited<ReturnType<Sandbox["cluster"]>>["send"]>[0],
): Promise<ClusterResponse> {
  // The interface takes whole URLs only. The cluster would take a path as relative to the server.
  if (!/^https?:\/\//i.test(request.url)) throw new Failed("invalid-url");
  return await (await sandbox.cluster()).send(request);
}

function reasonOf(error: unknown): HttpError {
  if (error instanceof Failed) return error.reason;
  if (!(error instanceof AppError)) return "runtime-error";
  return error.code === "DESTINATION_REFUSED" ? "destination-not-allowed" : "request-error";
}

/** Appends the interface's `params` to the URL's own query, percent-encoded. */
function withParams(url: string, params: readonly (readonly [string, string])[]): string {
  if (params.length === 0) return url;
  const query = params.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .join("&");
  const base = url.replace(/#.*$/s, "");
  const joint = base.includes("?") ? /[?&]$/.test(base) ? "" : "&" : "?";
  return `${base}${joint}${query}`;
}

/** Bytes of the guest. Pointers and lengths are unsigned; a product of them may be larger than 32 bits. */
function slice(guest: Guest, pointer: number, length: number): Uint8Array<ArrayBuffer> {
  const bytes = guest.bytes();
  const start = pointer >>> 0;
  const end = start + (length < 0 ? length >>> 0 : length);
  if (end > bytes.length) throw new Failed("runtime-error");
  return bytes.subarray(start, end);
}

function text(guest: Guest, pointer: number, length: number): string {
  return new TextDecoder().decode(slice(guest, pointer, length));
}

/** A `list<tuple<string, string>>`: 16 bytes for each item. */
function pairs(guest: Guest, pointer: number, count: number): [string, string][] {
  const bytes = slice(guest, pointer, (count >>> 0) * 16);
  if (count >>> 0 > MAX_PAIRS) throw new Failed("request-error");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let total = 0;
  return Array.from({ length: count >>> 0 }, (_, index) => {
    const at = (field: number) => view.getUint32(index * 16 + field * 4, true);
    // The list may name the same long text again and again.
    total += at(1) + at(3);
    if (total > MAX_PAIR_BYTES) throw new Failed("request-error");
    return [text(guest, at(0), at(1)), text(guest, at(2), at(3))];
  });
}

/** A `list<certificate>`: 12 bytes for each. They are not used: only the user chooses the server's authorities. */
function checkCertificates(guest: Guest, pointer: number, count: number): void {
  const bytes = slice(guest, pointer, (count >>> 0) * 12);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let index = 0; index < count >>> 0; index++) {
    if (view.getUint8(index * 12) > 1) throw new Failed("invalid-cfg");
    slice(guest, view.getUint32(index * 12 + 4, true), view.getUint32(index * 12 + 8, true));
  }
}

/** Calls `canonical_abi_realloc` for memory of the guest. @throws Failed, GuestFailure */
function reallocate(guest: Guest, old: number, oldSize: number, align: number, size: number): number {
  const realloc = guest.exports.canonical_abi_realloc;
  if (typeof realloc !== "function" || size > MAX_SIZE) throw new Failed("runtime-error");
  let pointer: number;
  try {
    pointer = (realloc as (...args: number[]) => number)(old, oldSize, align, size) >>> 0;
  } catch (error) {
    throw new GuestFailure(error);
  }
  if (pointer === 0 && size > 0) throw new Failed("runtime-error"); // the guest is out of memory
  slice(guest, pointer, size);
  return pointer;
}

function storeString(guest: Guest, value: string): [pointer: number, length: number] {
  const bytes = new TextEncoder().encode(value);
  const pointer = reallocate(guest, 0, 0, 1, bytes.length);
  slice(guest, pointer, bytes.length).set(bytes);
  return [pointer, bytes.length];
}

/** Stores a response's headers and body in the guest's memory, and returns the slots. */
async function storeResponse(guest: Guest, { status, headers, body }: ClusterResponse): Promise<number[]> {
  try {
    const list = reallocate(guest, 0, 0, 4, headers.length * 16);
    headersToText(headers).forEach(([name, value], index) => {
      const words = [...storeString(guest, name), ...storeString(guest, value)];
      words.forEach((word, field) => guest.view().setUint32(list + index * 16 + field * 4, word, true));
    });
    const length = Number(headers.find(([name]) => name === "content-length")?.[1] ?? NaN);
    return [0, status, 1, list, headers.length, 1, ...await storeBody(guest, body, length)];
  } catch (error) {
    await body?.cancel().catch(() => {});
    throw error;
  }
}

/**
 * Writes a body into the guest's memory while it arrives. The host holds one chunk; the guest's allocator limits the
 * whole.
 */
async function storeBody(
  guest: Guest,
  body: ClusterResponse["body"],
  expected: number,
): Promise<[pointer: number, length: number]> {
  let [pointer, room, size] = [0, 0, 0];
  const resize = (to: number) => {
    pointer = reallocate(guest, pointer, room, 1, to);
    room = to;
  };
  if (body) {
    if (expected > 0) resize(expected);
    const reader = body.getReader();
    try {
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        const needed = size + part.value.length;
        if (needed > room) resize(Math.max(needed, Math.min(MAX_SIZE, Math.max(FIRST_PIECE, room * 2))));
        slice(guest, pointer + size, part.value.length).set(part.value);
        size = needed;
      }
    } finally {
      reader.releaseLock();
    }
  }
  if (room === 0) return [reallocate(guest, 0, 0, 1, 0), 0];
  // The guest's vector has no spare capacity: it frees exactly the size that it gets.
  if (size !== room) resize(Math.max(size, 1));
  return [pointer, size];
}
