/** Options of sockets that the host only remembers. */

// deno-lint-ignore-file no-throw-literal -- jco passes a thrown value other than an Error to the guest as the error
// value

import type * as Wit from "../../../wit/generated/interfaces/wasi-sockets-network.d.ts";

/** wasi:sockets/network.ip-address-family */
export type Family = Wit.IpAddressFamily;

/** Throws unless a number is greater than 0. */
export function positive<T extends number | bigint>(value: T): T {
  if (BigInt(value) <= 0n) throw "invalid-argument";
  return value;
}

/** The hop limit. TCP and UDP each have a method of their own for it. */
export const HOPS = Symbol("hops");

/** Options of both kinds of sockets. Deno can't set them; the specification allows to keep hints only. */
export class SocketHints {
  readonly #family: Family;
  #hopLimit = 64;
  #receiveBuffer = 65536n;
  #sendBuffer = 65536n;

  constructor(family: Family) {
    this.#family = family;
  }

  addressFamily(): Family {
    return this.#family;
  }

  get [HOPS](): number {
    return this.#hopLimit;
  }
  set [HOPS](value: number) {
    this.#hopLimit = positive(value);
  }
  receiveBufferSize(): bigint {
    return this.#receiveBuffer;
  }
  setReceiveBufferSize(value: bigint): void {
    this.#receiveBuffer = positive(value);
  }
  sendBufferSize(): bigint {
    return this.#sendBuffer;
  }
  setSendBufferSize(value: bigint): void {
    this.#sendBuffer = positive(value);
  }
}
