/** Unpacks bodies that a proxy compressed although krew-wasm did not ask for it (RFC 9110 8.4). */

import { concatBytes } from "../../runtime/base/bytes.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/**
 * Unpacks a body that both declares gzip and begins like gzip. Some proxies unpack a body but leave the header; no
 * manifest or WebAssembly begins like gzip.
 *
 * @param encoding the header `Content-Encoding`. Deno 2.6 itself unpacks gzip and removes the header.
 */
export async function* unpacked(body: AsyncIterable<Bytes>, encoding: string | null): AsyncGenerator<Bytes> {
  if (!/^(x-)?gzip$/i.test(encoding?.trim() ?? "")) return yield* body;
  const chunks = body[Symbol.asyncIterator]();
  const rest = async function* (first: Bytes): AsyncGenerator<Bytes> {
    yield first;
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
  };
  try {
    let head: Bytes = new Uint8Array();
    while (head.length < 2) {
      const next = await chunks.next();
      if (next.done) break;
      head = concatBytes([head, next.value]);
    }
    if (head[0] !== 0x1f || head[1] !== 0x8b) return yield* rest(head);
    yield* ReadableStream.from(rest(head)).pipeThrough(new DecompressionStream("gzip"));
  } finally {
    await chunks.return?.();
  }
}
