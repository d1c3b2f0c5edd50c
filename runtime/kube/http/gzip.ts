/**
 * Decompresses a gzip stream with all of its members (RFC 1952 2.2): kube-apiserver 1.37 compresses a watch's initial
 * list as its own member. Deno's DecompressionStream handles one member only, so this loads node:zlib for compressed
 * bodies.
 */

import { HttpError } from "./http_head.ts";

/** The decompressed stream; empty for an empty one, as in net/http. An end or error of one stream ends the other. */
export async function unpacked(
  packed: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const { createGunzip } = await import("node:zlib");
  const gunzip = createGunzip({ chunkSize: 65536 });
  const reader = packed.getReader();
  let empty = true;
  let ended = false;
  let failure: Error | undefined;
  /** Called when there may be data to read. */
  let wake = () => {};
  gunzip.on("readable", () => wake());
  gunzip.on("end", () => {
    ended = true;
    wake();
  });
  gunzip.on("error", (error) => {
    failure = new HttpError(`its gzip is damaged: ${error.message}`);
    wake();
  });
  /** Whether the reader took the last piece. */
  let taken = true;
  const feed = async () => {
    taken = false;
    const { done, value } = await reader.read();
    if (done) {
      if (empty) ended = true;
      else gunzip.end();
      return wake();
    }
    empty &&= value.length === 0;
    gunzip.write(value, () => {
      taken = true;
      wake();
    });
  };
  return new ReadableStream({
    async pull(controller) {
      for (;;) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        const piece = gunzip.read() as Uint8Array<ArrayBuffer> | null;
        if (piece !== null) return controller.enqueue(new Uint8Array(piece));
        if (failure) {
          await reader.cancel(failure);
          throw failure;
        }
        if (ended) return controller.close();
        if (taken) {
          try {
            await feed();
          } catch (error) {
            gunzip.destroy();
            throw error;
          }
        }
        await promise;
      }
    },
    async cancel(reason) {
      gunzip.destroy();
      await reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}
