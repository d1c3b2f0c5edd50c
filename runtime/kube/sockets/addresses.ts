/**
 * The addresses of a name. Deno 2.6 connects to the first of them and to no other; here the next is tried where one fails, or
 * is slow to answer (RFC 8305, as net/http does).
 */

/** Finds the addresses of a name with the operating system's own rules, hosts file included, the most wanted first. */
export type Lookup = (name: string) => Promise<readonly string[]>;

/** How long an address is tried alone, in milliseconds: net's own delay. */
const ALONE = 300;

/** {@linkcode Lookup} by getaddrinfo. */
export const lookUp: Lookup = async (name) => {
  const { default: process } = await import("node:process");
  // Deno 2.6 tells the user that its own node:dns uses punycode.
  (process as { noDeprecation?: boolean }).noDeprecation = true;
  const { lookup } = await import("node:dns/promises");
  return (await lookup(name, { all: true, verbatim: true })).map(({ address }) => address);
};

/**
 * Connects to a name, or to one of its addresses. Those that come late are closed.
 *
 * @param connect connects to a name, at its first address, or to an address
 * @throws what the first try has against it, where no other does better
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

/** Whether it is there within a time, has failed by then, or neither. */
async function within(
  promise: Promise<unknown>,
  milliseconds: number,
): Promise<"connected" | "failed" | "late"> {
  const { promise: late, resolve } = Promise.withResolvers<"late">();
  const timer = setTimeout(() => resolve("late"), milliseconds);
  const told = promise.then(() => "connected" as const, () => "failed" as const);
  return await Promise.race([told, late]).finally(() => clearTimeout(timer));
}
