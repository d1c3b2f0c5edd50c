/**
 * Who the user is: what goes with a request, from the kubeconfig, from files that are read again as they rotate, or
 * from an exec credential plugin, run once for all who ask. Secrets stay on the host's side.
 */

import { AppError, messageOf } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import { isTimeout, untilAborted } from "../http/abort.ts";
import {
  type ClientCertificate,
  type Connection,
  type ExecPlugin,
  headerBytes,
} from "../config/connection.ts";
import type { ExecCredential } from "./credential_plugin.ts";
import { RotatingFiles } from "./credential_rotation.ts";

/** What goes with requests for now. One that was refused is given back to {@linkcode CredentialSource.renew}. */
export interface Credentials {
  readonly authorization: string | undefined;
  readonly certificate: ClientCertificate | undefined;
}

/** Who does for a run what the kernel refuses to it (runtime/broker/). */
export interface CredentialHelper {
  /** Runs the credential plugin of the user that the kubeconfig names. @throws AppError CREDENTIALS_FAILED */
  runExecPlugin(signal: AbortSignal): Promise<ExecCredential>;
  /** Reads a file again that is renewed. @throws as Deno.readTextFileSync */
  readFile(path: string): string;
}

/** How long a token file's content is taken for granted, in milliseconds (client-go: 50 s). */
const TOKEN_FILE_MAX_AGE = 10_000;
/** A credential that is over as it comes is used this long: asking again at once would get the same. */
const MIN_LIFE = 1000;

/** A run of a credential plugin, and what came of it. */
interface Run {
  readonly credentials: Promise<Credentials & { expires: number }>;
  /** How many requests wait for it. */
  waiting: number;
  readonly abort: AbortController;
}

/** Gives a connection's credentials. */
export class CredentialSource {
  #connection: Connection;
  #fixed: Credentials | undefined;
  #run: Run | undefined;
  #tokenFile: { token: string; read: number; credentials: Credentials } | undefined;
  #files: RotatingFiles;

  /** @param now milliseconds of the time of day, as `Date.now()`: credentials say when they are over */
  constructor(
    connection: Connection,
    files = new RotatingFiles(connection),
    private readonly now: () => number = Date.now,
    private readonly helper?: CredentialHelper,
  ) {
    this.#connection = connection;
    this.#files = files;
  }

  /** Whether another try may have other credentials after the server refused these. */
  get renewable(): boolean {
    const { exec, tokenFile, certificateFiles } = this.#connection;
    return exec !== undefined || tokenFile !== undefined || certificateFiles !== undefined;
  }

  /** Forgets what the server refused, unless another request has seen to it. */
  async renew(refused: Credentials): Promise<void> {
    if (this.#tokenFile?.credentials === refused) this.#tokenFile.read = -Infinity;
    this.#files.expire();
    const run = this.#run;
    const current = await run?.credentials.catch(() => undefined);
    if (current === refused && this.#run === run) this.#run = undefined;
  }

  /**
   * The same value as long as nothing of it changes.
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
        // Nobody waits for it any more: the program ends.
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
    // Caught in the middle of a rotation, or gone: what was known goes on, then the kubeconfig's own token.
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

/** @throws AppError CREDENTIALS_FAILED for a token that no header can hold, without it */
function bearer(token: string): string {
  const bytes = headerBytes(token);
  if (bytes === undefined) {
    throw new AppError("CREDENTIALS_FAILED", "The token holds a character that no header has");
  }
  return `Bearer ${bytes}`;
}
