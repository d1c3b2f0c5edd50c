/**
 * Who the user is: the headers and the certificate that go with a request, from the kubeconfig or from an exec
 * credential plugin (client.authentication.k8s.io, v1 and v1beta1). Secrets stay on the host's side.
 */

import { AppError, messageOf } from "../errors.ts";
import { printable } from "../text.ts";
import type { ClientCertificate, Connection } from "./connection.ts";
import type { ExecEntry, Sourced } from "./kubeconfig.ts";

/** What goes with requests for now. */
export interface Credentials {
  readonly authorization: string | undefined;
  readonly certificate: ClientCertificate | undefined;
}

/** How often a token file is read again, in milliseconds (client-go: every minute; tokens rotate hourly at most). */
const TOKEN_FILE_MAX_AGE = 10_000;

/** Gives a connection's credentials; runs an exec plugin at most once at a time. */
export class CredentialSource {
  #connection: Connection;
  #exec: { credentials: Promise<Credentials & { expires: number }> } | undefined;
  #tokenFile: { token: string; read: number } | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Whether another try may have other credentials after the server refused these. */
  get renewable(): boolean {
    return this.#connection.exec !== undefined || this.#connection.tokenFile !== undefined;
  }

  /** Forgets what was refused. */
  renew(): void {
    this.#exec = undefined;
    this.#tokenFile = undefined;
  }

  /** @throws AppError CREDENTIALS_FAILED */
  async get(): Promise<Credentials> {
    const { certificate, token, basic, exec, tokenFile } = this.#connection;
    if (tokenFile !== undefined) {
      return { authorization: `Bearer ${this.#readTokenFile(tokenFile)}`, certificate };
    }
    if (token !== undefined) return { authorization: `Bearer ${token}`, certificate };
    if (basic) {
      return { authorization: `Basic ${encodeBase64(`${basic.username}:${basic.password}`)}`, certificate };
    }
    if (!exec) return { authorization: undefined, certificate };
    const running = this.#exec ??= { credentials: runExec(exec, this.#connection) };
    try {
      const credentials = await running.credentials;
      if (credentials.expires > Date.now()) {
        return {
          authorization: credentials.authorization,
          certificate: credentials.certificate ?? certificate,
        };
      }
    } catch (error) {
      if (this.#exec === running) this.#exec = undefined;
      throw error;
    }
    if (this.#exec === running) this.#exec = undefined;
    return await this.get();
  }

  #readTokenFile(path: string): string {
    const now = Date.now();
    if (!this.#tokenFile || now - this.#tokenFile.read > TOKEN_FILE_MAX_AGE) {
      let token: string;
      try {
        token = Deno.readTextFileSync(path).trim();
      } catch (error) {
        throw new AppError(
          "CREDENTIALS_FAILED",
          `Cannot read the token file "${printable(path)}": ${printable(messageOf(error))}`,
        );
      }
      if (token === "") {
        throw new AppError("CREDENTIALS_FAILED", `The token file "${printable(path)}" is empty`);
      }
      this.#tokenFile = { token, read: now };
    }
    return this.#tokenFile.token;
  }
}

const API_VERSIONS = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];

async function runExec(
  { entry, where, directory }: Sourced<ExecEntry>,
  connection: Connection,
): Promise<Credentials & { expires: number }> {
  const command = printable(entry.command, 200);
  const failed = (what: string, hint?: string): never => {
    throw new AppError(
      "CREDENTIALS_FAILED",
      `The credential plugin "${command}" ${what}`,
      hint ? { hint } : {},
    );
  };
  if (!API_VERSIONS.includes(entry.apiVersion)) {
    throw new AppError(
      "KUBECONFIG_INVALID",
      `${where}.exec.apiVersion "${printable(entry.apiVersion, 100)}" is not one of ${
        API_VERSIONS.join(", ")
      }`,
    );
  }
  const interactive = entry.interactiveMode !== "Never" && Deno.stdin.isTerminal();
  if (entry.interactiveMode === "Always" && !interactive) failed("needs a terminal, and stdin is none");
  const info = {
    apiVersion: entry.apiVersion,
    kind: "ExecCredential",
    spec: {
      interactive,
      ...(entry.provideClusterInfo
        ? {
          cluster: {
            server: connection.server,
            ...(connection.tlsServerName === undefined
              ? {}
              : { "tls-server-name": connection.tlsServerName }),
            ...(connection.insecureSkipTlsVerify ? { "insecure-skip-tls-verify": true } : {}),
            ...(connection.ca === undefined
              ? {}
              : { "certificate-authority-data": encodeBase64(connection.ca) }),
            ...(connection.proxyUrl === undefined ? {} : { "proxy-url": connection.proxyUrl }),
          },
        }
        : {}),
    },
  };
  // A command with a slash is relative to the kubeconfig's directory, as in client-go.
  const path = /[\\/]/.test(entry.command) && !/^([\\/]|[A-Za-z]:)/.test(entry.command)
    ? `${directory}/${entry.command}`
    : entry.command;
  let output: Deno.CommandOutput;
  try {
    output = await new Deno.Command(path, {
      args: [...entry.args],
      env: {
        ...Object.fromEntries(entry.env.map(({ name, value }) => [name, value])),
        KUBERNETES_EXEC_INFO: JSON.stringify(info),
      },
      stdin: interactive ? "inherit" : "null",
      stdout: "piped",
      stderr: "inherit",
    }).output();
  } catch (error) {
    return failed(
      error instanceof Deno.errors.NotFound
        ? "was not found"
        : `could not be started: ${printable(messageOf(error), 200)}`,
      entry.installHint && printable(entry.installHint, 2000),
    );
  }
  if (!output.success) {
    failed(`failed with exit code ${output.code}`, entry.installHint && printable(entry.installHint, 2000));
  }
  let credential: { apiVersion?: unknown; kind?: unknown; status?: Record<string, unknown> } | null = null;
  try {
    credential = JSON.parse(new TextDecoder().decode(output.stdout));
  } catch { /* what it printed may be a credential: it is not shown */ }
  if (typeof credential !== "object" || credential?.kind !== "ExecCredential") {
    return failed("did not print an ExecCredential");
  }
  if (credential.apiVersion !== entry.apiVersion) {
    failed(
      `answered with apiVersion ${
        printable(String(credential.apiVersion), 100)
      }, the kubeconfig wants ${entry.apiVersion}`,
    );
  }
  const { token, clientCertificateData, clientKeyData, expirationTimestamp } = credential.status ?? {};
  const hasCertificate = typeof clientCertificateData === "string" && typeof clientKeyData === "string";
  if (!hasCertificate && typeof token !== "string") {
    return failed("printed neither a token nor a certificate with its key");
  }
  const expires = typeof expirationTimestamp === "string" ? Date.parse(expirationTimestamp) : NaN;
  return {
    authorization: typeof token === "string" && token !== "" ? `Bearer ${token}` : undefined,
    certificate: hasCertificate ? { cert: clientCertificateData, key: clientKeyData } : undefined,
    // One that is over as it comes is used once: asking again at once would get the same.
    expires: Number.isNaN(expires) ? Infinity : Math.max(expires, Date.now() + 1000),
  };
}

/** Base64 of a text's UTF-8. */
export function encodeBase64(text: string): string {
  return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));
}
