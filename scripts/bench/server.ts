// deno-lint-ignore-file no-console -- prints its address for the parent process

/**
 * The server of the cluster's benchmarks: /version, a /list of 100 MB, and a /watch of 1,000 lines with the time of
 * sending. Prints its address as JSON, and ends when its stdin ends.
 */

import { TestApiServer } from "../servers/api_server.ts";

const PIECE = new TextEncoder().encode(`${JSON.stringify({ kind: "Pod", spec: "x".repeat(65_000) })}\n`);
const PIECES = Math.ceil(100e6 / PIECE.length);
const LINES = 1000;
/** Interval between two lines. Milliseconds. */
const PAUSE = 2;

await using api = await TestApiServer.start();
const json = { headers: { "content-type": "application/json" } };
api.hook = (_, url) => {
  api.seen.length = 0;
  if (url.pathname === "/list") {
    let left = PIECES;
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (controller) => left-- > 0 ? controller.enqueue(PIECE.slice()) : controller.close(),
    });
    return new Response(body, json);
  }
  if (url.pathname !== "/watch") return undefined;
  let left = LINES;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      if (left-- === 0) return controller.close();
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
      const sent = performance.timeOrigin + performance.now();
      controller.enqueue(new TextEncoder().encode(`${JSON.stringify({ sent })}\n`));
    },
  }, { highWaterMark: 0 });
  return new Response(body, json);
};
console.log(
  JSON.stringify({ url: api.server, token: api.token, ca: api.authority.cert, config: api.kubeconfig() }),
);
await Deno.stdin.readable.pipeTo(new WritableStream());
Deno.exit(0);
