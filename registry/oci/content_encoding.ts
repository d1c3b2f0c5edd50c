/** Bodies that something on the way has packed, although nobody asked for that (RFC 9110 8.4). */

type Bytes = Uint8Array<ArrayBuffer>;

/**
 * A body as it was before it was packed. Only what says that it is gzip, and begins as gzip does, is unpacked: some proxies
 * leave the header on what they have unpacked, and no manifest or WebAssembly begins so.
 *
 * @param encoding the header `Content-Encoding`; Deno 2.6 has unpacked gzip, and left out the header, before it comes here
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
      head = joined(head, next.value);
    }
    if (head[0] !== 0x1f || head[1] !== 0x8b) return yield* rest(head);
    yield* ReadableStream.from(rest(head)).pipeThrough(new DecompressionStream("gzip"));
  } finally {
    await chunks.return?.();
  }
}

function joined(one: Bytes, other: Bytes): Bytes {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
