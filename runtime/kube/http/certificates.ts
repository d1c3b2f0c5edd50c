/** Explains why TLS refuses a connection's certificates, and names the file or field at fault. */

import { AppError, messageOf } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import type { ClientCertificate, Connection } from "../config/connection.ts";
import { withOwnRules } from "./tls_rules.ts";

/** Why TLS can't be set up for the connection; undefined if it can. Does not connect. */
export function certificateFault(
  connection: Connection,
  certificate: ClientCertificate | undefined,
): AppError | undefined {
  const problemOf = (pair: ClientCertificate | undefined): string | undefined => {
    const options = { ...(connection.ca === undefined ? {} : { caCerts: [connection.ca] }), ...(pair ?? {}) };
    try {
      withOwnRules(connection.ca, () => Deno.createHttpClient(options)).close();
    } catch (error) {
      return printable(messageOf(error), 300);
    }
    return undefined;
  };
  const why = problemOf(certificate);
  if (why === undefined) return undefined;
  if (problemOf(undefined) !== undefined) {
    const field = `${connection.where?.cluster ?? ""}certificate-authority`;
    return new AppError("KUBECONFIG_INVALID", `${field} can't be used: ${why}`);
  }
  return certificateUnusable(
    connection,
    /mismatch|consistent/i.test(why) ? "its key is another's" : why,
  );
}

/** The error for a client certificate of the kubeconfig or of a credential plugin that TLS refuses. */
function certificateUnusable({ exec, where }: Connection, why: string): AppError {
  if (exec === undefined) {
    return new AppError("KUBECONFIG_INVALID", `${where?.user ?? ""}client-certificate can't be used: ${why}`);
  }
  const command = printable(exec.entry.command, 200);
  return new AppError(
    "CREDENTIALS_FAILED",
    `The credential plugin "${command}" printed a certificate that can't be used: ${why}`,
  );
}

/**
 * Checks a client certificate with its authorities before anything connects: on Deno 2.6 a bad certificate ends the
 * process. It also settles which roots this process trusts.
 *
 * @throws AppError KUBECONFIG_INVALID, CREDENTIALS_FAILED
 */
export async function checkCertificate(
  certificate: ClientCertificate,
  connection: Connection,
): Promise<void> {
  const refuse = async () => {
    const { pairProblem } = await import("../auth/certificate_pair.ts");
    const problem = await pairProblem(certificate);
    if (problem !== undefined) throw certificateUnusable(connection, problem);
  };
  if (Deno.version.deno.startsWith("2.6.")) await refuse();
  const fault = certificateFault(connection, certificate);
  if (!fault) return;
  await refuse(); // with a clearer message, if there is one
  throw fault;
}
