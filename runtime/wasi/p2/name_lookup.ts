/** wasi:sockets/ip-name-lookup: the API server's name only. */

// deno-lint-ignore-file no-throw-literal -- jco passes a thrown value other than an Error to the guest as the error
// value

import { AppError } from "../../base/errors.ts";
import { parseAddress } from "./ip_addresses.ts";
import { type Pollable, pollableOf } from "./pollables.ts";
import { type Code, codeOf, type SocketHost } from "./socket_host.ts";
import type * as Wit from "../../../wit/generated/interfaces/wasi-sockets-network.d.ts";

/** A name to resolve: letters, digits, hyphens, dots, and an IPv6 address' colons. */
const NAME = /^(?=.{1,253}$)[a-z0-9:]([a-z0-9_.:-]*[a-z0-9:])?\.?$/i;

/** wasi:sockets/ip-name-lookup.resolve-addresses */
export function resolveAddresses(host: SocketHost, name: string): ResolveAddressStream {
  if (!NAME.test(name)) throw "invalid-argument";
  return new ResolveAddressStream(host, name);
}

/** wasi:sockets/ip-name-lookup.resolve-address-stream */
export class ResolveAddressStream {
  #addresses: Wit.IpAddress[] | undefined;
  #failure: Code | undefined;
  #resolved: Promise<void>;
  #readiness = {
    ready: () => this.#addresses !== undefined || this.#failure !== undefined,
    wait: () => this.#resolved,
  };

  constructor(host: SocketHost, name: string) {
    this.#resolved = host.cluster().then((cluster) => cluster.sockets()).then((sockets) => {
      this.#addresses = sockets.resolve(name).map(parseAddress).filter((address) => address !== undefined);
      if (this.#addresses.length === 0) this.#failure = "name-unresolvable";
    }).catch((error) => {
      if (error instanceof AppError) host.refused(error);
      this.#failure = error instanceof AppError && error.code === "CLUSTER_UNREACHABLE"
        ? "name-unresolvable"
        : codeOf(error);
    });
  }

  resolveNextAddress(): Wit.IpAddress | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#addresses === undefined) throw "would-block";
    return this.#addresses.shift();
  }

  subscribe(): Pollable {
    return pollableOf(this.#readiness);
  }
}
