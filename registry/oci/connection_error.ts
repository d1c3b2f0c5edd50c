/** Connection errors: the place where they happened, and their text. Pure. */

import type { EnvironmentProxy } from "./proxies.ts";

/** The place where a connection failed. */
export interface ConnectionPlace {
  /** Host and port of the registry, its storage or its token server. */
  readonly host: string;
  readonly proxy?: EnvironmentProxy | undefined;
  /** The proxy itself forwards the request (plain HTTP through an HTTP proxy), so all answers come from the proxy. */
  readonly forwards?: boolean;
  /** Whether the host has answered before. */
  readonly answered: boolean;
}

/** Attaches the place to an error; {@linkcode placeOf} reads it. */
export function withPlace(error: unknown, place: ConnectionPlace): unknown {
  return error instanceof Error ? Object.assign(error, { place }) : error;
}

/** The place where a connection failed; undefined for other errors. */
export function placeOf(error: unknown): ConnectionPlace | undefined {
  return (error as { place?: ConnectionPlace } | null | undefined)?.place;
}

/** The messages of an error and of its causes. */
export function textOf(error: unknown): string {
  const texts: string[] = [];
  for (let cause: unknown = error; cause instanceof Error && texts.length < 6; cause = cause.cause) {
    texts.push(cause.message);
  }
  return texts.join(": ");
}
