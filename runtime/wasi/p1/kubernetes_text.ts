/** Requests and answers as text, as wit/krew_wasm_kubernetes.h describes. Pure. */

import { AppError } from "../../base/errors.ts";
import { headersToText, toBytes } from "../../kube/http/header_text.ts";
import { withoutBlanks } from "../../kube/http/http_head.ts";
import { WasiError } from "../errno.ts";

const encoder = new TextEncoder();

/** Parses `name: value` lines. @throws WasiError invalid */
export function parseHeaders(text: string): [string, string][] {
  return text.split("\n").map((line) => line.replace(/\r$/, "")).filter((line) => line !== "").map((line) => {
    const colon = line.indexOf(":");
    if (colon < 1) throw new WasiError("invalid");
    return [line.slice(0, colon), toBytes(withoutBlanks(line, colon + 1))];
  });
}

/** The status, and `name: value` lines. */
export function headOf(status: number, headers: readonly (readonly [string, string])[]): Uint8Array {
  return encoder.encode(
    `${status}\n${headersToText(headers).map(([name, value]) => `${name}: ${value}\n`).join("")}`,
  );
}

/** Refuses anything but a path, such as another server's URL. @throws AppError REQUEST_INVALID */
export function checkPath(path: string): void {
  if (path.startsWith("/")) return;
  throw new AppError("REQUEST_INVALID", `"${path}" is not a path: it begins with no slash`);
}
