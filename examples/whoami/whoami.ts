/** kubectl whoami: who the API server takes you for (SelfSubjectReview, `kubectl auth whoami` in 100 lines). */

import { getArguments } from "wasi:cli/environment@0.2.12";
import { send } from "krew-wasm:kubernetes/cluster@0.1.0";
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
  let output = "";
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "-h" || arg === "--help") return print(USAGE);
    else if (arg === "-o" || arg === "--output") output = args[++i] ?? "";
    else if (arg.startsWith("-o=") || arg.startsWith("--output=")) output = arg.slice(arg.indexOf("=") + 1);
    else if (/^--(context|kubeconfig|cluster|user|namespace|as|as-group|request-timeout)$/.test(arg)) i++; // the host's
    else if (!/^--(context|kubeconfig|cluster|user|namespace|as|as-group|request-timeout)=/.test(arg)) {
      fail(`unknown argument "${arg}"\n\n${USAGE}`, 2);
    }
  }
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
  const text = readAll(response);
  if (response.status() >= 300) {
    fail(`the API server answered ${response.status()}: ${JSON.parse(text).message ?? text}`);
  }
  const answer = JSON.parse(text) as { status?: { userInfo?: UserInfo } };
  const user = answer.status?.userInfo ?? {};
  if (output === "json") return print(`${JSON.stringify(answer, null, 2)}\n`);
  if (output === "name") return print(`${user.username ?? ""}\n`);
  const rows = [["ATTRIBUTE", "VALUE"], ["Username", user.username ?? ""]];
  if (user.uid) rows.push(["UID", user.uid]);
  if (user.groups?.length) rows.push(["Groups", user.groups.join(", ")]);
  for (const [name, values] of Object.entries(user.extra ?? {})) {
    rows.push([`Extra: ${name}`, values.join(", ")]);
  }
  const width = Math.max(...rows.map(([name]) => name!.length));
  print(rows.map(([name, value]) => `${name!.padEnd(width)}   ${value}\n`).join(""));
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
