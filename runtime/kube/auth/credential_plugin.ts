/**
 * Exec credential plugins (client.authentication.k8s.io, v1 and v1beta1): programs of the user that print
 * credentials.
 */

import { encodeBase64 } from "../../base/bytes.ts";
import { isObject } from "../../base/strict_json.ts";
import { AppError, messageOf } from "../../base/errors.ts";
import { isName, startProgram } from "../../base/program_path.ts";
import { printable } from "../../base/text.ts";
import { untilAborted } from "../http/abort.ts";
import type { ClientCertificate, Connection, ExecPlugin } from "../config/connection.ts";
import { absolute } from "../config/kubectl_flags.ts";

/** The credential that a plugin printed. */
export interface ExecCredential {
  readonly token: string | undefined;
  readonly certificate: ClientCertificate | undefined;
  /** Milliseconds since 1970; Infinity if the plugin names no time. */
  readonly expires: number;
}

/** The maximum output of a plugin, in bytes. A usual ExecCredential has a few thousand. */
const MAX_OUTPUT = 1 << 20;

/**
 * Runs a plugin and kills it when `signal` aborts.
 *
 * @throws AppError CREDENTIALS_FAILED, never with the plugin's output, which may be a credential
 */
export async function runExecPlugin(
  plugin: ExecPlugin,
  connection: Connection,
  signal: AbortSignal,
  isTerminal: () => boolean = () => Deno.stdin.isTerminal(),
): Promise<ExecCredential> {
  const { entry, directory } = plugin;
  const interactive = entry.interactiveMode !== "Never" && isTerminal();
  const failed = (what: string, hint?: string): AppError => {
    const shown = hint === undefined ? {} : { hint: printable(hint, 2000) };
    return new AppError(
      "CREDENTIALS_FAILED",
      `The credential plugin "${printable(entry.command, 200)}" ${what}`,
      shown,
    );
  };
  if (entry.interactiveMode === "Always" && !interactive) throw failed("needs a terminal, and stdin is none");
  const command = commandOf(entry.command, directory);
  const program = plugin.allowed?.(command) ?? command;
  let child: Deno.ChildProcess;
  try {
    child = startProgram(program, {
      args: [...entry.args],
      env: {
        ...Object.fromEntries(entry.env.map(({ name, value }) => [name, value])),
        KUBERNETES_EXEC_INFO: JSON.stringify(execInfo(plugin, connection, interactive)),
      },
      stdin: interactive ? "inherit" : "null",
      stdout: "piped",
      stderr: "inherit",
    });
  } catch (error) {
    throw failed(
      error instanceof Deno.errors.NotFound
        ? /^was not found/.test(error.message) ? error.message : "was not found"
        : `could not be started: ${printable(messageOf(error), 200)}`,
      entry.installHint,
    );
  }
  const end = () => {
    try {
      child.kill("SIGTERM");
    } catch { /* it has ended */ }
  };
  signal.addEventListener("abort", end, { once: true });
  try {
    // A child of the plugin may hold its output open, so wait for the plugin's own exit or the signal.
    const output = await untilAborted(readOutput(child.stdout), signal);
    if (output === undefined) {
      end();
      throw failed(`printed more than ${MAX_OUTPUT} bytes`);
    }
    const status = await untilAborted(child.status, signal);
    if (!status.success) throw failed(`failed with exit code ${status.code}`, entry.installHint);
    return parseExecCredential(await asJson(output), entry.apiVersion, failed);
  } finally {
    signal.removeEventListener("abort", end);
  }
}

/**
 * A command with a slash is relative to the kubeconfig's directory, as in client-go. Another command is found on
 * PATH.
 */
export function commandOf(command: string, directory: string): string {
  const windows = Deno.build.os === "windows" && /^(?:[A-Za-z]:|[\\/])/.test(command);
  return isName(command) || windows ? command : absolute(command, directory);
}

function execInfo({ entry, config }: ExecPlugin, connection: Connection, interactive: boolean): unknown {
  const { server, tlsServerName, insecureSkipTlsVerify, ca, proxyUrl, disableCompression } = connection;
  const cluster = {
    server,
    ...(tlsServerName === undefined ? {} : { "tls-server-name": tlsServerName }),
    ...(insecureSkipTlsVerify ? { "insecure-skip-tls-verify": true } : {}),
    ...(ca === undefined ? {} : { "certificate-authority-data": encodeBase64(ca) }),
    ...(proxyUrl === undefined ? {} : { "proxy-url": proxyUrl }),
    ...(disableCompression ? { "disable-compression": true } : {}),
    config: config ?? null,
  };
  return {
    kind: "ExecCredential",
    apiVersion: entry.apiVersion,
    spec: { interactive, ...(entry.provideClusterInfo ? { cluster } : {}) },
  };
}

/** The whole output; undefined if it is longer than {@linkcode MAX_OUTPUT}. */
async function readOutput(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<string | undefined> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size > MAX_OUTPUT) return undefined;
    chunks.push(chunk);
  }
  return await new Blob(chunks).text();
}

/** client-go accepts YAML as well. A text that is neither stays unchanged. */
async function asJson(output: string): Promise<string> {
  if (/^\s*(\{|$)/.test(output)) return output;
  const { parseText } = await import("../config/kubeconfig.ts");
  try {
    return JSON.stringify(await parseText(output)) ?? "";
  } catch {
    return output;
  }
}

/** RFC 3339. */
const TIME = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/;

/** Pure. @throws the error that `failed` makes */
export function parseExecCredential(
  output: string,
  apiVersion: string,
  failed: (what: string) => Error,
): ExecCredential {
  let credential: unknown;
  try {
    credential = JSON.parse(output);
  } catch { /* what it printed may be a credential: it is not shown */ }
  // A missing kind means ExecCredential.
  if (!isObject(credential) || (credential.kind || "ExecCredential") !== "ExecCredential") {
    throw failed("did not print an ExecCredential");
  }
  if (credential.apiVersion !== apiVersion) {
    const answered = printable(String(credential.apiVersion), 100);
    throw failed(`answered with apiVersion ${answered}, the kubeconfig wants ${apiVersion}`);
  }
  if (!isObject(credential.status)) throw failed("printed an ExecCredential without a status");
  const text = (field: string): string | undefined => {
    const value = (credential.status as Record<string, unknown>)[field];
    if (value === undefined || value === null || value === "") return undefined;
    if (typeof value !== "string") throw failed(`printed a status.${field} that is not a string`);
    return value;
  };
  const [token, cert, key] = [text("token"), text("clientCertificateData"), text("clientKeyData")];
  if ((cert === undefined) !== (key === undefined)) {
    throw failed("printed a certificate or its key, but not both");
  }
  if (token === undefined && cert === undefined) {
    throw failed("printed neither a token nor a certificate with its key");
  }
  if (token !== undefined && /[^\x21-\x7e]/.test(token)) {
    throw failed("printed a token with characters that no token has");
  }
  const expiration = text("expirationTimestamp");
  const expires = expiration === undefined ? Infinity : TIME.test(expiration) ? Date.parse(expiration) : NaN;
  if (Number.isNaN(expires)) throw failed("printed a status.expirationTimestamp that is not a time");
  return { token, certificate: cert === undefined ? undefined : { cert, key: key! }, expires };
}
