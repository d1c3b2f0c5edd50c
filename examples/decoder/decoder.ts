/** kubectl decoder: decodes a Secret's values, and shows the subject, issuer and expiry of certificates. */

import { getArguments } from "wasi:cli/environment@0.2.12";
import { current, send } from "krew-wasm:kubernetes/cluster@0.1.2";
import { parseFlags } from "../lib/flags.ts";
import { exit, fail, print, printable, readAll } from "../lib/plugin.ts";
import { type Certificate, readCertificates } from "./x509.ts";

const USAGE = `Prints the values of a Secret decoded, and what its certificates say.

Usage:
  kubectl decoder [secret] NAME [-n NAMESPACE] [-o json]

Options:
  -n, --namespace NAME  the Secret's namespace
  -o, --output json     names and values as JSON; values that are not text as {"base64": …}
  -h, --help            this text
`;

interface Secret {
  metadata: { name: string; namespace: string };
  type?: string;
  data?: Record<string, string>;
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** Decodes UTF-8; undefined for other bytes. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return /[\u0000-\u0008\u000e-\u001f]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

function describe({ subject, issuer, names, notBefore, notAfter }: Certificate, now: Date): string[] {
  const days = Math.floor((notAfter.getTime() - now.getTime()) / 86_400_000);
  const left = days < 0 ? `ended ${-days} days ago` : days === 0 ? "ends today" : `${days} days left`;
  return [
    `certificate for  ${subject}`,
    ...(names.length > 0 ? [`names            ${names.join(", ")}`] : []),
    `signed by        ${issuer}${issuer === subject ? " (itself)" : ""}`,
    `valid            ${notBefore.toISOString().slice(0, 10)} to ${
      notAfter.toISOString().slice(0, 10)
    } (${left})`,
  ];
}

function decoder(args: string[]): void {
  const known = { "-o=": "output", "--output=": "output", "-h": "help", "--help": "help" };
  const { operands, values, switches } = parseFlags(args, known, USAGE);
  if (switches.has("help")) return print(USAGE);
  if (operands.length > 1 && /^secrets?$/.test(operands[0]!)) operands.shift();
  const [name] = operands;
  if (name === undefined || operands.length > 1) fail(`name one Secret\n\n${USAGE}`, 2);
  if (!["", "json"].includes(values.output ?? "")) {
    fail(`unknown output format "${values.output}", it is json`, 2);
  }
  const path = `/api/v1/namespaces/${encodeURIComponent(current().namespace)}/secrets/${
    encodeURIComponent(name)
  }`;
  const response = send({ method: "GET", path, headers: [["accept", "application/json"]], body: undefined });
  const secret = readAll(response) as Secret;
  const data = Object.entries(secret.data ?? {}).map((
    [key, value],
  ): [string, Uint8Array] => [key, bytesOf(value)]);
  if (values.output === "json") {
    const decoded = data.map(([key, bytes]) => [key, textOf(bytes) ?? { base64: secret.data![key] }]);
    return print(`${JSON.stringify(Object.fromEntries(decoded), null, 2)}\n`);
  }
  const { metadata, type } = secret;
  print(
    `Secret ${printable(metadata.namespace)}/${printable(metadata.name)} (${printable(type ?? "Opaque")})\n`,
  );
  if (data.length === 0) print("\nIt holds nothing.\n");
  const now = new Date();
  for (const [key, bytes] of data) {
    const text = textOf(bytes);
    const certificates = text?.includes("-----BEGIN CERTIFICATE-----") ? readCertificates(text) : [];
    const lines = certificates.length > 0
      ? certificates.flatMap((certificate) => describe(certificate, now))
      : text === undefined
      ? [`${bytes.length} bytes that are not text`]
      : printable(text).replace(/\n$/, "").split("\n");
    print(`\n${printable(key)}\n${lines.map((line) => `  ${printable(line)}\n`).join("")}`);
  }
}

/** wasi:cli/run */
export const run = {
  run(): void {
    try {
      decoder(getArguments().slice(1));
    } catch (error) {
      exit(error);
    }
  },
};
