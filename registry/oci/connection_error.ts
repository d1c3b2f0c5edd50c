/** Errors of connections: where they happened, and what they say. Pure. */

import type { EnvironmentProxy } from "./proxies.ts";

/** Where a connection failed. */
export interface ConnectionPlace {
  /** With its port: of the registry, its storage or its token server. */
  readonly host: string;
  readonly proxy?: EnvironmentProxy | undefined;
  /** The proxy itself sends the request on, so that all that is heard is heard from it: plain HTTP through one of HTTP. */
  readonly forwards?: boolean;
  /** Whether the host has answered before. */
  readonly answered: boolean;
}

/** An error with the place of it, which {@linkcode placeOf} reads. */
export function withPlace(error: unknown, place: ConnectionPlace): unknown {
  return error instanceof Error ? Object.assign(error, { place }) : error;
}

/** Where a connection failed; undefined for other errors. */
export function placeOf(error: unknown): ConnectionPlace | undefined {
  return (error as { place?: ConnectionPlace } | null | undefined)?.place;
}

/** The messages of an error and of what caused it. */
export function textOf(error: unknown): string {
  const texts: string[] = [];
  for (let cause: unknown = error; cause instanceof Error && texts.length < 6; cause = cause.cause) {
    texts.push(cause.message);
  }
  return texts.join(": ");
}
