/** What the sockets of one run share, and their error-codes. */

import { AppError } from "../../base/errors.ts";
import type { Cluster } from "../../kube/cluster.ts";
import type { HostMemory } from "../host_memory.ts";
import type { LoopbackListener } from "../loopback_listener.ts";
import type * as Wit from "../../../wit/generated/interfaces/wasi-sockets-network.d.ts";

/** wasi:sockets/network.error-code */
export type Code = Wit.ErrorCode;

/** By the names of Deno's error classes, because 2.6 lacks some of the classes. */
const CODES: Readonly<Record<string, Code>> = {
  AddrInUse: "address-in-use",
  AddrNotAvailable: "address-not-bindable",
  BrokenPipe: "connection-reset",
  ConnectionAborted: "connection-aborted",
  ConnectionRefused: "connection-refused",
  ConnectionReset: "connection-reset",
  HostUnreachable: "remote-unreachable",
  NetworkUnreachable: "remote-unreachable",
  PermissionDenied: "access-denied",
  TimedOut: "timeout",
};

/** The error-code of a failure. */
export function codeOf(error: unknown): Code {
  if (error instanceof AppError) return "access-denied";
  if (!(error instanceof Error)) return "unknown";
  if (/unreachable|os error (101|113)\b/i.test(error.message)) return "remote-unreachable";
  return CODES[error.name] ?? "unknown";
}

/** State that the resources of one run share. */
export interface SocketHost {
  /** @throws AppError the reason why the plugin has no cluster */
  cluster(): Promise<Cluster>;
  /** Counts the request heads that are incomplete. */
  readonly memory: HostMemory;
  explained(error: AppError): void;
  refused(error: AppError): void;
  trace(line: string): void;
  /** @throws AppError LISTEN_REFUSED; the error of the operating system */
  listen(address: string, port: number): LoopbackListener;
  /** Makes later reads of stdin asynchronous, so that connections go on meanwhile. */
  share(): void;
  /** Whether the plugin has the maximum number of open sockets. */
  isFull(): boolean;
  /** The number of open sockets. */
  open: number;
}
