/**
 * gzip unpacked as it comes, all of its members (RFC 1952 2.2): kube-apiserver 1.37 packs the list that a watch may begin with as
 * one of its own. Deno's DecompressionStream takes one member only; node:zlib is loaded where something is packed.
 */

import { HttpError } from "./http_head.ts";

/** The same bytes unpacked; nothing of nothing, as net/http has it. An end or an error of one is the other's. */
export async function unpacked(
  packed: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const { createGunzip } = await import("node:zlib");
  const gunzip = createGunzip({ chunkSize: 65536 });
  const reader = packed.getReader();
  let empty = true;
  let ended = false;
  let failure: Error | undefined;
  /** Told when there may be something to read. */
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
  /** Whether the last piece has been taken. */
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
