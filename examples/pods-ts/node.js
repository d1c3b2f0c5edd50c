/** Implements the parts of Node and undici that the API and the informer of @kubernetes/client-node use, with WASI. */

export const fetch = (...args) => globalThis.fetch(...args);
export const { URL, URLSearchParams } = globalThis;

/** node:timers/promises */
export const setTimeout = (milliseconds) =>
  new Promise((resolve) => globalThis.setTimeout(resolve, milliseconds));

// Imports of the replaced Watch: only the names are needed.
export const STATUS_CODES = {};
export class Readable {}
export class Agent {}
export const createInterface = () => {
  throw new Error("node:readline is not in WASI");
};
