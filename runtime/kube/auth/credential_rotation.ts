/**
 * The files of a connection that are replaced while a plugin runs: the client's certificate with its key, and the certificate
 * authorities. They are read again for new requests, as client-go does for new connections (transport.ReloadTLSFiles).
 */

import type { ClientCertificate, Connection } from "../config/connection.ts";

/** How long what was read is taken for granted, in milliseconds (client-go: a second for the pair, 5 min for authorities). */
const MAX_AGE = 1000;

/** What the files hold for now. */
export interface TlsFiles {
  readonly certificate: ClientCertificate | undefined;
  /** PEM, as of {@linkcode Connection}. */
  readonly ca: string | undefined;
}

/** Reads the files of one connection again. */
export class RotatingFiles {
  #paths: Pick<Connection, "certificateFiles" | "caFile">;
  #current: TlsFiles;
  #read: number;
  #reading: Promise<void> | undefined;

  constructor(
    connection: Connection,
    private readonly now: () => number = () => performance.now(),
    private readonly readFile: (path: string) => string = Deno.readTextFileSync,
  ) {
    this.#paths = connection;
    this.#current = { certificate: connection.certificate, ca: connection.ca };
    this.#read = now();
  }

  /** Whether there are any. */
  get any(): boolean {
    return this.#paths.certificateFiles !== undefined || this.#paths.caFile !== undefined;
  }

  /** They are read at the next call, however short ago they were. */
  expire(): void {
    this.#read = -Infinity;
  }

  /**
   * What they hold; the same value until that changes. A certificate whose key is another's, which is one caught in the middle
   * of a rotation, and what can't be read do not count: what was known goes on.
   */
  async current(): Promise<TlsFiles> {
    // Who asks while they are read is given what comes of it: it may have been refused with what was known before.
    while (this.#reading) await this.#reading;
    if (!this.any || this.now() - this.#read < MAX_AGE) return this.#current;
    this.#read = this.now();
    this.#reading = this.#readAgain().finally(() => this.#reading = undefined);
    await this.#reading;
    return this.#current;
  }

  async #readAgain(): Promise<void> {
    const known = this.#current;
    const { certificateFiles, caFile } = this.#paths;
    const ca = caFile === undefined ? known.ca : this.#readPem(caFile) ?? known.ca;
    let certificate = known.certificate;
    const [cert, key] = certificateFiles
      ? [this.#readPem(certificateFiles.cert), this.#readPem(certificateFiles.key)]
      : [];
    if (cert !== undefined && key !== undefined && (cert !== certificate?.cert || key !== certificate.key)) {
      const { pairProblem } = await import("./certificate_pair.ts");
      if (await pairProblem({ cert, key }) === undefined) certificate = { cert, key };
    }
    if (ca !== known.ca || certificate !== known.certificate) this.#current = { certificate, ca };
  }

  #readPem(path: string): string | undefined {
    try {
      const text = this.readFile(path);
      return text.includes("-----BEGIN ") && text.includes("-----END ") ? text : undefined;
    } catch {
      return undefined;
    }
  }
}
