/** Tokens, as a registry's token server gives them out (distribution's "Token Authentication Specification"). */

import { AppError } from "../runtime/errors.ts";
import { printable } from "../runtime/text.ts";
import type { RegistryCredentials } from "./registry_credentials.ts";
import { answerFailure, type Task } from "./failure.ts";
import type { Transport, TransportRequest } from "./transport.ts";

const MAX_TOKEN = 1 << 20;

/**
 * Asks a token server.
 *
 * @param url with service and scopes (auth.ts)
 * @param credentials the user's; anonymous without them
 * @throws AppError REGISTRY_…; errors of the connection, which may be tried again
 */
export async function fetchToken(
  transport: Transport,
  task: Task,
  url: URL,
  credentials: RegistryCredentials | undefined,
): Promise<string> {
  const answer = await transport.send(...requestOf(url, credentials));
  if (answer.status !== 200) {
    throw await answerFailure(task, answer, { kind: "token server", had: credentials !== undefined });
  }
  const protocol = (what: string) =>
    new AppError("REGISTRY_PROTOCOL", `The token endpoint ${printable(url.origin, 200)} ${what}`);
  const bytes = await answer.bytes(MAX_TOKEN, () => protocol(`sent more than ${MAX_TOKEN} bytes`));
  let parsed: { token?: unknown; access_token?: unknown } | undefined;
  try {
    parsed = JSON.parse(new TextDecoder().decode(bytes));
  } catch { /* told below; a token is not shown */ }
  // Servers send either name, and some the other one empty.
  const token = [parsed?.token, parsed?.access_token].find((one) => typeof one === "string" && one !== "");
  if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) {
    throw protocol(`of ${printable(task.registry, 200)} sent no token`);
  }
  return token;
}

function requestOf(url: URL, credentials: RegistryCredentials | undefined): [url: URL, TransportRequest] {
  if (credentials?.kind !== "identity") {
    return [url, { headers: credentials?.kind === "basic" ? { authorization: basic(credentials) } : {} }];
  }
  // distribution's OAuth2 endpoint: the refresh token goes in the body.
  const body = new URLSearchParams({
    grant_type: "refresh_token",
    refresh_token: credentials.token,
    client_id: "krew-wasm",
    service: url.searchParams.get("service") ?? "",
    scope: url.searchParams.getAll("scope").join(" "),
  });
  return [new URL(url.origin + url.pathname), { method: "POST", headers: {}, body }];
}

/** The value of `Authorization` for a name and a password (RFC 7617). */
export function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${new TextEncoder().encode(`${username}:${password}`).toBase64()}`;
}
