/**
 * Rereads the files of a connection that may change during a run: the client's certificate with its key, and the
 * certificate authorities. New requests use the new files, as new connections do in client-go
 * (transport.ReloadTLSFiles).
 */

import type { ClientCertificate, Connection } from "../config/connection.ts";

/** How long to trust the last read, in milliseconds (client-go: one second for the pair, 5 min for authorities). */
const MAX_AGE = 1000;

/** The current content of the files. */
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

  /** Whether there are files to reread. */
  get any(): boolean {
    return this.#paths.certificateFiles !== undefined || this.#paths.caFile !== undefined;
  }

  /** Makes the next call reread the files, however recent the last read. */
  expire(): void {
    this.#read = -Infinity;
  }

  /**
   * The content of the files; the same object until the content changes. If a file can't be read, or the key does not
   * match the certificate (a rotation in progress), the previous content stays.
   */
  async current(): Promise<TlsFiles> {
    // Callers that arrive during a read wait for its result: their old content may have been refused.
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
