/** Measures the cost of grants: the check of a request, and a plugin's start. */

import { authorizeCluster, type ClusterLimits } from "../../runtime/kube/allow/authorize_request.ts";
import type { Cluster } from "../../runtime/kube/cluster.ts";
import { destinationOf } from "../../runtime/kube/allow/destination.ts";
import { parseRuleWord } from "../../runtime/kube/allow/rules.ts";
import type { Row } from "./fleet.ts";

const SERVER = "https://127.0.0.1:6443";
const REQUESTS = 20_000;
const ROUNDS = 9;

/** Rules of which only the last one covers the request. */
const RULES = [
  ...Array.from({ length: 19 }, (_, index) => `get,list,watch:things${index}.example.com/status@demo`),
  "get,list:pods@demo",
].flatMap((word) => parseRuleWord(word)!);

/** Microseconds that the check adds to a request. */
async function checkOf(limits: ClusterLimits): Promise<number> {
  const behind: Cluster = {
    context: "",
    server: SERVER,
    namespace: "",
    // The transport's work for each request, as a baseline for the ratio.
    send: ({ url }) =>
      Promise.resolve({ status: destinationOf(SERVER, url) ? 200 : 0, headers: [], body: null }),
    upgrade: () => Promise.reject(new Error("upgrade")),
    tunnel: () => Promise.reject(new Error("tunnel")),
    sockets: () => Promise.reject(new Error("sockets")),
  };
  const guarded = authorizeCluster(behind, "bench", () => limits, () => false);
  const request = {
    method: "GET",
    url:
      "/api/v1/namespaces/demo/pods?limit=500&fieldSelector=status.phase%3DRunning&labelSelector=app%3Dweb",
    headers: [["accept", "application/json"]] as const,
  };
  const time = async (cluster: Cluster): Promise<number> => {
    const started = performance.now();
    for (let index = 0; index < REQUESTS; index++) await cluster.send(request);
    return (performance.now() - started) / REQUESTS * 1000;
  };
  const added: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const bare = await time(behind);
    added.push(await time(guarded) - bare);
  }
  return median(added);
}

/** Runs `command` with its arguments. Returns the milliseconds. */
export interface GrantBench {
  readonly measure: (
    cases: readonly { readonly name: string; readonly command: readonly string[] }[],
  ) => Promise<Map<string, number>>;
  /** Starts a plugin that only starts: with default grants, and with rules and denials. */
  readonly plain: string;
  readonly ruled: string;
  /** A plugin that sends one request to `url`: with full access, and with rules. */
  readonly asks: string;
  readonly asksRuled: string;
  readonly url: string;
}

/** The flags of the plugins with rules. */
export const RULED: readonly string[] = [
  ...Array.from(
    { length: 19 },
    (_, index) => `--allow-cluster=get,list,watch:things${index}.example.com/status@demo`,
  ),
  "--allow-cluster=get:/version",
  "--deny-cluster=get,list,watch:secrets",
  "--allow-read=/usr/share",
  "--deny-read=/usr/share/doc",
  "--deny-env=EDITOR",
];

/** The rows. */
export async function benchGrants(
  { measure, plain, ruled, asks, asksRuled, url }: GrantBench,
): Promise<Row[]> {
  const readOnly = await checkOf({ grant: "read-only", deny: false });
  const rules = await checkOf({ grant: { rules: RULES }, deny: parseRuleWord("*:secrets")! });
  const none = await checkOf({ grant: "full", deny: false });
  const us = (value: number) => `${Math.max(0, value).toFixed(1)} µs`;
  const times = await measure([
    { name: "plain", command: [plain] },
    { name: "ruled", command: [ruled] },
    { name: "asks", command: [asks, url] },
    { name: "asksRuled", command: [asksRuled, url] },
  ]);
  const added = (what: string, with_: number, without: number): Row => [
    what,
    `+${Math.max(0, with_ - without).toFixed(1)} ms`,
    `${without.toFixed(1)} ms (without)`,
    (with_ / without).toFixed(2),
    "+1 ms",
  ];
  return [
    ["check of a request, all granted", us(none), "no check", "", "50 µs"],
    ["check of a request, read-only", us(readOnly), "no check", "", "50 µs"],
    [`check of a request, ${RULES.length} rules and a denial`, us(rules), "no check", "", "50 µs"],
    added("start with 20 rules, files and denials", times.get("ruled")!, times.get("plain")!),
    added("start and one request with 20 rules", times.get("asksRuled")!, times.get("asks")!),
  ];
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
}
