/**
 * The user's credentials for each request: from the kubeconfig, from files that are reread as they rotate, or from an
 * exec credential plugin that runs once for concurrent callers. Secrets stay on the host's side.
 */

import { AppError, messageOf } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import { isTimeout, untilAborted } from "../http/abort.ts";
import type { ClientCertificate, Connection, ExecPlugin } from "../config/connection.ts";
import { headerBytes } from "../config/impersonation.ts";
import type { ExecCredential } from "./credential_plugin.ts";
import { RotatingFiles } from "./credential_rotation.ts";

/** The current credentials. If the server refuses them, pass them to {@linkcode CredentialSource.renew}. */
export interface Credentials {
  readonly authorization: string | undefined;
  readonly certificate: ClientCertificate | undefined;
}

/** Does what the kernel no longer lets this process do (runtime/sandbox/broker/). */
export interface CredentialHelper {
  /** Runs the kubeconfig's credential plugin. @throws AppError CREDENTIALS_FAILED */
  runExecPlugin(signal: AbortSignal): Promise<ExecCredential>;
  /** Rereads a file that rotates. @throws as Deno.readTextFileSync */
  readFile(path: string): string;
}

/** How long to trust a token file's content, in milliseconds (client-go: 50 s). */
const TOKEN_FILE_MAX_AGE = 10_000;
/** How long to use a credential that is already expired when it arrives: another one would be expired, too. */
const MIN_LIFE = 1000;

/** A run of a credential plugin and its result. */
interface Run {
  readonly credentials: Promise<Credentials & { expires: number }>;
  /** How many requests wait for it. */
  waiting: number;
  readonly abort: AbortController;
}

/** Returns a connection's current credentials. */
export class CredentialSource {
  #connection: Connection;
  #fixed: Credentials | undefined;
  #run: Run | undefined;
  #tokenFile: { token: string; read: number; credentials: Credentials } | undefined;
  #files: RotatingFiles;

  /** @param now milliseconds of the wall clock, as `Date.now()`: credentials carry their expiry */
  constructor(
    connection: Connection,
    files = new RotatingFiles(connection),
    private readonly now: () => number = Date.now,
    private readonly helper?: CredentialHelper,
  ) {
    this.#connection = connection;
    this.#files = files;
  }

  /** Whether a retry could use other credentials after the server refused these. */
  get renewable(): boolean {
    const { exec, tokenFile, certificateFiles } = this.#connection;
    return exec !== undefined || tokenFile !== undefined || certificateFiles !== undefined;
  }

  /** Forgets credentials that the server refused, unless another request has already renewed them. */
  async renew(refused: Credentials): Promise<void> {
    if (this.#tokenFile?.credentials === refused) this.#tokenFile.read = -Infinity;
    this.#files.expire();
    const run = this.#run;
    const current = await run?.credentials.catch(() => undefined);
    if (current === refused && this.#run === run) this.#run = undefined;
  }

  /**
   * Returns the same object as long as nothing changes.
   *
   * @param signal ends a credential plugin that hangs
   * @throws AppError CREDENTIALS_FAILED
   */
  async get(signal?: AbortSignal): Promise<Credentials> {
    const { exec, tokenFile } = this.#connection;
    if (exec) return await this.#ofExec(exec, signal);
    const { certificate } = await this.#files.current();
    if (tokenFile !== undefined) return this.#ofTokenFile(tokenFile, certificate);
    if (this.#fixed?.certificate !== certificate) this.#fixed = undefined;
    return this.#fixed ??= this.#ofConnection(certificate);
  }

  #ofConnection(certificate: ClientCertificate | undefined): Credentials {
    const { token, basic } = this.#connection;
    if (token !== undefined) return { authorization: bearer(token), certificate };
    if (!basic) return { authorization: undefined, certificate };
    const bytes = new TextEncoder().encode(`${basic.username}:${basic.password}`);
    return { authorization: `Basic ${bytes.toBase64()}`, certificate };
  }

  async #ofExec(exec: ExecPlugin, signal: AbortSignal | undefined): Promise<Credentials> {
    for (;;) {
      const run = this.#run ??= this.#start(exec);
      run.waiting++;
      try {
        const credentials = await untilAborted(run.credentials, signal);
        if (credentials.expires > this.now()) return credentials;
        if (this.#run === run) this.#run = undefined;
      } catch (error) {
        if (!signal?.aborted) {
          if (this.#run === run) this.#run = undefined;
          throw error;
        }
        // The last caller gave up: the plugin is ended.
        if (run.waiting === 1 && this.#run === run) {
          this.#run = undefined;
          run.abort.abort();
        }
        if (!isTimeout(signal.reason)) throw error;
        throw new AppError(
          "CREDENTIALS_FAILED",
          `The credential plugin "${
            printable(exec.entry.command, 200)
          }" did not answer within --request-timeout`,
        );
      } finally {
        run.waiting--;
      }
    }
  }

  #start(exec: ExecPlugin): Run {
    const abort = new AbortController();
    const run = async () => {
      const { token, certificate, expires } = this.helper
        ? await this.helper.runExecPlugin(abort.signal)
        : await (await import("./credential_plugin.ts")).runExecPlugin(exec, this.#connection, abort.signal);
      return {
        authorization: token === undefined ? undefined : bearer(token),
        certificate,
        expires: Math.max(expires, this.now() + MIN_LIFE),
      };
    };
    return { credentials: run(), waiting: 0, abort };
  }

  #ofTokenFile(path: string, certificate: ClientCertificate | undefined): Credentials {
    const now = this.now();
    const known = this.#tokenFile;
    const rotated = known?.credentials.certificate !== certificate;
    if (known && !rotated && now - known.read <= TOKEN_FILE_MAX_AGE) return known.credentials;
    let token: string | undefined;
    let why = "it is empty";
    try {
      token = (this.helper?.readFile ?? Deno.readTextFileSync)(path).trim() || undefined;
    } catch (error) {
      why = printable(messageOf(error));
    }
    // The file is missing or half rotated: keep the previous token, then the kubeconfig's own.
    token ??= known?.token ?? this.#connection.token;
    if (token === undefined) {
      throw new AppError("CREDENTIALS_FAILED", `Cannot read the token file "${printable(path)}": ${why}`);
    }
    const credentials = known && token === known.token && !rotated
      ? known.credentials
      : { authorization: bearer(token), certificate };
    this.#tokenFile = { token, read: now, credentials };
    return credentials;
  }
}

/** @throws AppError CREDENTIALS_FAILED if no header can hold the token; the message does not contain it */
function bearer(token: string): string {
  const bytes = headerBytes(token);
  if (bytes === undefined) {
    throw new AppError("CREDENTIALS_FAILED", "The token holds a character that no header has");
  }
  return `Bearer ${bytes}`;
}
