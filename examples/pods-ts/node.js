/** What the generated API and the informer of @kubernetes/client-node take from Node and undici, by what WASI has. */

export const fetch = (...args) => globalThis.fetch(...args);
export const { URL, URLSearchParams } = globalThis;

/** node:timers/promises */
export const setTimeout = (milliseconds) =>
  new Promise((resolve) => globalThis.setTimeout(resolve, milliseconds));

// Of the package's own Watch, which is replaced: only their names are needed.
export const STATUS_CODES = {};
export class Readable {}
export class Agent {}
export const createInterface = () => {
  throw new Error("node:readline is not in WASI");
};
