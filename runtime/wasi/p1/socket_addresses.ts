/** Addresses as WasmEdge's socket functions pass them: in both of its versions. */

import { canonicalAddress } from "../../kube/allow/destination.ts";
import { WasiError } from "../errno.ts";
import type { Memory } from "./memory.ts";

const INET4 = 1;
const INET6 = 2;
/** Bytes of an address with its family before it. */
const WITH_FAMILY = 128;

/** A buffer for an address. The guest's memory holds its pointer and its length. */
export class AddressBuffer {
  #bytes: Uint8Array;

  private constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** @throws WasiError fault */
  static at(memory: Memory, pointer: number): AddressBuffer {
    const view = memory.view();
    pointer >>>= 0;
    return new AddressBuffer(memory.slice(view.getUint32(pointer, true), view.getUint32(pointer + 4, true)));
  }

  /** The address in it. @throws WasiError invalid, address-family-not-supported */
  read(): string {
    const bytes = this.#bytes;
    if (bytes.length === 4 || bytes.length === 16) return textOf(bytes);
    if (bytes.length !== WITH_FAMILY) throw new WasiError("invalid");
    const family = bytes[0]! | bytes[1]! << 8;
    if (family !== INET4 && family !== INET6) throw new WasiError("address-family-not-supported");
    return textOf(bytes.subarray(2, family === INET4 ? 6 : 18));
  }

  /** @throws WasiError invalid if the buffer is too small */
  write(address: string): void {
    const raw = bytesOf(address);
    if (this.#bytes.length === WITH_FAMILY) {
      this.#bytes.set([raw.length === 4 ? INET4 : INET6, 0]);
      this.#bytes.set(raw, 2);
    } else if (this.#bytes.length >= raw.length) this.#bytes.set(raw);
    else throw new WasiError("invalid");
  }
}

function textOf(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2) groups.push((bytes[at]! << 8 | bytes[at + 1]!).toString(16));
  return canonicalAddress(groups.join(":")) ?? groups.join(":");
}

/** @param address as in a URL */
function bytesOf(address: string): number[] {
  if (!address.includes(":")) return address.split(".").map(Number);
  const [head = "", tail] = address.split("::");
  const groups = (part: string) => part === "" ? [] : part.split(":").map((group) => parseInt(group, 16));
  const [front, back] = [groups(head), groups(tail ?? "")];
  const all = [...front, ...new Array<number>(8 - front.length - back.length).fill(0), ...back];
  return all.flatMap((group) => [group >> 8, group & 0xff]);
}

/** The size of a result's address buffer in bytes, if the client states 14. */
const ROOM = 26;

/**
 * Stores the results of a lookup in the guest's list (`__wasi_addrinfo_t`). Each element points to its own buffer and to the
 * next element.
 *
 * @returns how many fit
 */
export function storeAddressInfo(
  memory: Memory,
  first: number,
  addresses: readonly string[],
  port: number,
): number {
  let stored = 0;
  for (let at = first; at !== 0 && stored < addresses.length; stored++) {
    const raw = bytesOf(addresses[stored]!);
    const family = raw.length === 4 ? INET4 : INET6;
    const element = memory.slice(at, 28);
    const view = memory.view();
    const socket = view.getUint32(at + 12, true);
    const next = view.getUint32(at + 24, true);
    const told = view.getUint32(socket + 4, true);
    const room = told === 14 ? ROOM : told;
    if (room < raw.length + 2) throw new WasiError("invalid");
    memory.slice(view.getUint32(socket + 8, true), raw.length + 2).set([port >> 8, port & 0xff, ...raw]);
    memory.slice(socket, 1)[0] = family;
    element.set([family, 2, 1], 2); // a stream of TCP
    view.setUint32(at + 8, 16, true);
    view.setUint32(at + 20, 0, true); // no canonical name
    at = next;
  }
  return stored;
}
