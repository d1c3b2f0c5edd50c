/** Sends requests with a streamed body, over krew-wasm:kubernetes/cluster. */

import type { InputStream } from "wasi:io/streams@0.2.12";
import { type RequestHead, type Response, start } from "krew-wasm:kubernetes/cluster@0.1.2";

/** Sends a stream, such as stdin, as the body. Returns the response. @throws the interface's error */
export function sendStream(head: RequestHead, from: InputStream): Response {
  const upload = start(head);
  const body = upload.body();
  try {
    // A splice: the bytes do not pass through the plugin.
    for (;;) body.blockingSplice(from, 65536n);
  } catch (error) {
    // The end of the stream, or the server accepts no more; its response says why.
    if ((error as { payload?: { tag?: string } }).payload?.tag !== "closed") throw error;
  }
  body[Symbol.dispose]();
  upload.finish();
  return upload.response();
}
