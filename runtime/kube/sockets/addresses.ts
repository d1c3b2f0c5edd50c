/**
 * Connects to a name's addresses. Deno 2.6 connects only to the first; this tries the next one if an address fails or
 * is slow (RFC 8305, as net/http does).
 */

/** Resolves a name by the operating system's rules, hosts file included, in order of preference. */
export type Lookup = (name: string) => Promise<readonly string[]>;

/** How long to try one address before starting the next, in milliseconds: Go's own delay. */
const ALONE = 300;

/** {@linkcode Lookup} by getaddrinfo. */
export const lookUp: Lookup = async (name) => {
  const { default: process } = await import("node:process");
  // Deno 2.6 would warn that its own node:dns uses punycode.
  (process as { noDeprecation?: boolean }).noDeprecation = true;
  const { lookup } = await import("node:dns/promises");
  return (await lookup(name, { all: true, verbatim: true })).map(({ address }) => address);
};

/**
 * Connects to a name, or to one of its addresses. Late connections are closed.
 *
 * @param connect connects to an address, or to a name at its first address
 * @throws the error of the first attempt if all fail
 */
export async function connectToAny<T extends { close(): void }>(
  hostname: string,
  connect: (hostname: string) => Promise<T>,
  addressesOf: Lookup = lookUp,
): Promise<T> {
  const first = connect(hostname);
  if (/^[\d.]+$|:/.test(hostname)) return await first;
  const settled = await within(first, ALONE);
  if (settled === "connected") return await first;
  const [, ...others] = await addressesOf(hostname).catch(() => []);
  const tries = [first];
  for (const address of others) {
    tries.push(connect(address));
    if (await within(Promise.any(tries), ALONE) === "connected") break;
  }
  try {
    const winner = await Promise.any(tries);
    for (const each of tries) each.then((late) => late !== winner && late.close(), () => {});
    return winner;
  } catch {
    return await first;
  }
}

/** Whether a promise resolves or rejects within a time, or is still pending. */
async function within(
  promise: Promise<unknown>,
  milliseconds: number,
): Promise<"connected" | "failed" | "late"> {
  const { promise: late, resolve } = Promise.withResolvers<"late">();
  const timer = setTimeout(() => resolve("late"), milliseconds);
  const told = promise.then(() => "connected" as const, () => "failed" as const);
  return await Promise.race([told, late]).finally(() => clearTimeout(timer));
}
