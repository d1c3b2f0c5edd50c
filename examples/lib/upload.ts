/** Requests whose body is sent as it comes, over krew-wasm:kubernetes/cluster. */

import type { InputStream } from "wasi:io/streams@0.2.12";
import { type RequestHead, type Response, start } from "krew-wasm:kubernetes/cluster@0.1.2";

/** Sends all of a stream, stdin for one, as it comes; returns the response. What it throws is the interface's error. */
export function sendStream(head: RequestHead, from: InputStream): Response {
  const upload = start(head);
  const body = upload.body();
  try {
    // The bytes do not pass through the plugin.
    for (;;) body.blockingSplice(from, 65536n);
  } catch (error) {
    // Its own end; or the server's, whose response says why.
    if ((error as { payload?: { tag?: string } }).payload?.tag !== "closed") throw error;
  }
  body[Symbol.dispose]();
  upload.finish();
  return upload.response();
}
