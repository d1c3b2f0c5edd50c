/** kubectl whoami: the user as the API server sees it (a SelfSubjectReview, through krew-wasm:kubernetes). */

import { getArguments } from "wasi:cli/environment@0.2.12";
import { send } from "krew-wasm:kubernetes/cluster@0.1.2";
import { parseFlags } from "../lib/flags.ts";
import { exit, fail, print, readAll } from "../lib/plugin.ts";

interface UserInfo {
  username?: string;
  uid?: string;
  groups?: string[];
  extra?: Record<string, string[]>;
}

const USAGE = `Shows who the API server takes you for.

Usage:
  kubectl whoami [-o json|name]

Options:
  -o, --output FORMAT   json, or name for the user name alone
  -h, --help            this text
`;

function whoami(args: string[]): void {
  const known = { "-o=": "output", "--output=": "output", "-h": "help", "--help": "help" };
  const { operands, values, switches } = parseFlags(args, known, USAGE);
  if (switches.has("help")) return print(USAGE);
  if (operands.length > 0) fail(`unknown argument "${operands[0]}"\n\n${USAGE}`, 2);
  const output = values.output ?? "";
  if (!["", "json", "name"].includes(output)) {
    fail(`unknown output format "${output}", it is json or name`, 2);
  }
  const review = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" };
  const response = send({
    method: "POST",
    path: "/apis/authentication.k8s.io/v1/selfsubjectreviews",
    headers: [["content-type", "application/json"], ["accept", "application/json"]],
    body: new TextEncoder().encode(JSON.stringify(review)),
  });
  const answer = readAll(response);
  const { status } = answer as { status?: { userInfo?: UserInfo } };
  const user = status?.userInfo ?? {};
  if (output === "json") return print(`${JSON.stringify(answer, null, 2)}\n`);
  if (output === "name") return print(`${user.username ?? ""}\n`);
  const rows: [string, string][] = [["ATTRIBUTE", "VALUE"], ["Username", user.username ?? ""]];
  if (user.uid) rows.push(["UID", user.uid]);
  if (user.groups?.length) rows.push(["Groups", user.groups.join(", ")]);
  for (const [name, values] of Object.entries(user.extra ?? {})) {
    rows.push([`Extra: ${name}`, values.join(", ")]);
  }
  const width = Math.max(...rows.map(([name]) => name.length));
  print(rows.map(([name, value]) => `${name.padEnd(width)}   ${value}\n`).join(""));
}

/** wasi:cli/run */
export const run = {
  run(): void {
    try {
      whoami(getArguments().slice(1));
    } catch (error) {
      exit(error);
    }
  },
};
