/** Fetches tokens from a registry's token server (distribution's "Token Authentication Specification"). */

import { AppError } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import type { RegistryCredentials } from "./credentials/registry_credentials.ts";
import { answerFailure, type Task } from "./registry_failure.ts";
import { MAX_REDIRECTS, redirectTarget, shownOrigin } from "./redirect.ts";
import type { Answer } from "./answer.ts";
import type { Transport, TransportRequest } from "./registry_transport.ts";

const MAX_TOKEN = 1 << 20;

/**
 * Asks a token server for a token.
 *
 * @param registry the registry that named the server
 * @param url with service and scopes (auth_challenge.ts)
 * @param credentials the user's; anonymous without them
 * @throws AppError REGISTRY_…; connection errors, which callers may retry
 */
export async function fetchToken(
  transport: Transport,
  task: Task,
  registry: URL,
  url: URL,
  credentials: RegistryCredentials | undefined,
): Promise<string> {
  const answer = await ask(transport, task, registry, url, credentials);
  if (answer.status < 200 || answer.status > 299) {
    throw await answerFailure(task, answer, { kind: "token server", had: credentials !== undefined });
  }
  const protocol = (what: string) =>
    new AppError("REGISTRY_PROTOCOL", `${task.failed}: the token server ${printable(url.host, 200)} ${what}`);
  const bytes = await answer.bytes(MAX_TOKEN, () => protocol(`sent more than ${MAX_TOKEN} bytes`));
  let parsed: { token?: unknown; access_token?: unknown } | undefined;
  try {
    parsed = JSON.parse(new TextDecoder().decode(bytes));
  } catch { /* reported below; a token must not be shown */ }
  // Servers use either name; some send the other one empty.
  const token = [parsed?.token, parsed?.access_token].find((one) => typeof one === "string" && one !== "");
  if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) {
    throw protocol("sent no token");
  }
  return token;
}

/** Follows redirects of the token server. Sends the user's credentials only to the server's own origin. */
async function ask(
  transport: Transport,
  task: Task,
  registry: URL,
  url: URL,
  credentials: RegistryCredentials | undefined,
): Promise<Answer> {
  const [first, request] = requestOf(url, credentials);
  const follows = request.method === "POST" ? [307, 308] : [301, 302, 303, 307, 308];
  for (let at = first, hop = 0;; hop++) {
    const own = at.origin === first.origin;
    if (!own && request.body) throw leaks(task, first, at);
    const answer = await transport.send(at, { registry, ...(own ? request : { headers: {} }) });
    if (!follows.includes(answer.status) || hop === MAX_REDIRECTS) return answer;
    await answer.discard();
    const who = `the token server ${printable(at.host, 200)}`;
    at = redirectTarget(task, at, answer.header("location"), who);
  }
}

function leaks(task: Task, { host }: URL, to: URL): AppError {
  return new AppError(
    "REGISTRY_PROTOCOL",
    `${task.failed}: the token server ${printable(host, 200)} redirects to "${
      printable(shownOrigin(to), 200)
    }", which is not given your token`,
  );
}

function requestOf(
  url: URL,
  credentials: RegistryCredentials | undefined,
): [url: URL, Omit<TransportRequest, "registry">] {
  if (credentials?.kind !== "identity") {
    return [url, { headers: credentials?.kind === "basic" ? { authorization: basic(credentials) } : {} }];
  }
  // distribution's OAuth2 endpoint takes the refresh token in the body.
  const body = new URLSearchParams({
    grant_type: "refresh_token",
    refresh_token: credentials.token,
    client_id: "krew-wasm",
    service: url.searchParams.get("service") ?? "",
    scope: url.searchParams.getAll("scope").join(" "),
  });
  return [new URL(url.origin + url.pathname), { method: "POST", headers: {}, body }];
}

/** The `Authorization` value for a user name and a password (RFC 7617). */
export function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${new TextEncoder().encode(`${username}:${password}`).toBase64()}`;
}
