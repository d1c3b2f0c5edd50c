/** Sends a request with the user's credentials, and again with renewed ones if the server answers 401. */

import type { Credentials, CredentialSource } from "./user_credentials.ts";

/** An answer that refuses the credentials. */
export interface RefusedAnswer {
  /** Its body, which is dropped if the request is sent again. */
  readonly body: ReadableStream<Uint8Array> | null;
}

/**
 * Sends with the current credentials. If the server refuses them and the source has others, it sends again.
 *
 * @param attempt sends the request
 * @param refusal the answer if its status is 401 and the request can be sent again; undefined otherwise
 * @throws what `attempt` throws; AppError CREDENTIALS_FAILED
 */
export async function sendRenewing<T>(
  source: CredentialSource,
  signal: AbortSignal | undefined,
  attempt: (credentials: Credentials) => Promise<T>,
  refusal: (answer: T) => RefusedAnswer | undefined,
): Promise<T> {
  const credentials = await source.get(signal);
  const answer = await attempt(credentials);
  const refused = source.renewable ? refusal(answer) : undefined;
  if (!refused) return answer;
  await source.renew(credentials);
  let renewed: Credentials;
  try {
    renewed = await source.get(signal);
  } catch (error) {
    await refused.body?.cancel();
    throw error;
  }
  if (renewed === credentials) return answer;
  await refused.body?.cancel();
  return await attempt(renewed);
}
