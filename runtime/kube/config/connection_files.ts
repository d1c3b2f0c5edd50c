/** Reads the certificates of a connection, from data, fields and flags (client-go's clientcmd and rest packages). */

import { fromLatin1 } from "../../base/bytes.ts";
import { AppError, messageOf } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import type { ClusterEntry, Sourced } from "./kubeconfig.ts";
import { absolute, type ConnectionFlags } from "./kubectl_flags.ts";

/** Refuses a field of the kubeconfig, or a flag. @throws AppError KUBECONFIG_INVALID */
export function kubeconfigInvalid(where: string, what: string): never {
  throw new AppError("KUBECONFIG_INVALID", `${where} ${what}`);
}

/** Reads a connection's files. Relative paths of flags start at `cwd`. */
export interface ConnectionFiles {
  readonly flags: ConnectionFlags;
  readonly cwd: string;
  readonly readFile: (path: string) => string;
}

/** A PEM text and its file. */
export interface Pem {
  readonly text: string;
  /** Absolute. */
  readonly path: string | undefined;
}

/** PEM from a flag's file, a field's data or a field's file. Data and file together are an error, as in client-go. */
export function pemOf(
  { cwd, readFile }: ConnectionFiles,
  source: Sourced<unknown> | undefined,
  field: "certificate-authority" | "client-certificate" | "client-key",
  flag: string | undefined,
  data: string | undefined,
  file: string | undefined,
): Pem | undefined {
  if (flag === undefined && data !== undefined && file !== undefined) {
    kubeconfigInvalid(`${source!.where}.${field}`, `and ${field}-data are both given`);
  }
  const where = flag !== undefined
    ? `--${field}`
    : `${source?.where}.${data === undefined ? field : `${field}-data`}`;
  const path = flag !== undefined
    ? absolute(flag, cwd)
    : file !== undefined
    ? absolute(file, source!.directory)
    : undefined;
  let text: string | undefined;
  if (path !== undefined) {
    try {
      text = readFile(path);
    } catch (error) {
      throw new AppError(
        "KUBECONFIG_UNREADABLE",
        `${where} names "${printable(path)}", which can't be read: ${printable(messageOf(error))}`,
      );
    }
  } else if (data !== undefined) text = decodeBase64(data) ?? kubeconfigInvalid(where, "is not base64");
  if (text === undefined) return undefined;
  const kind = field === "client-key" ? "-----BEGIN " : "-----BEGIN CERTIFICATE-----";
  if (text.includes(kind)) return { text, path };
  return kubeconfigInvalid(where, text.includes("-----BEGIN ") ? "holds no certificate" : "holds no PEM");
}

/**
 * The authorities that may sign the server's certificate. `--insecure-…` overrides the kubeconfig's CA;
 * `--certificate-authority` overrides its skip.
 */
export function rootsOf(
  files: ConnectionFiles,
  cluster: Sourced<ClusterEntry>,
): { ca: string | undefined; caFile: string | undefined; insecure: boolean } {
  const { flags } = files;
  const { entry } = cluster;
  const override = flags.insecureSkipTlsVerify === true || flags.certificateAuthority !== undefined;
  const ca = pemOf(
    files,
    cluster,
    "certificate-authority",
    flags.certificateAuthority,
    override ? undefined : entry.certificateAuthorityData,
    override ? undefined : entry.certificateAuthority,
  );
  const insecure = override ? flags.insecureSkipTlsVerify === true : entry.insecureSkipTlsVerify;
  if (insecure && ca !== undefined) {
    kubeconfigInvalid(
      override ? "--certificate-authority" : `${cluster.where}.certificate-authority`,
      "and insecure-skip-tls-verify are both given",
    );
  }
  return { ca: ca?.text, caFile: ca?.path, insecure };
}

/** Strict as Go's decoder, which ignores only line breaks. */
function decodeBase64(text: string): string | undefined {
  const base64 = text.replace(/[\r\n]/g, "");
  if (base64.length % 4 !== 0 || /\s/.test(base64)) return undefined;
  try {
    const binary = atob(base64);
    return new TextDecoder().decode(fromLatin1(binary));
  } catch {
    return undefined;
  }
}
