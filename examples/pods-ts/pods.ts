/** kubectl pods-ts: watches Pods with an informer of @kubernetes/client-node. */

import { getArguments } from "wasi:cli/environment@0.2.12";
import { current } from "krew-wasm:kubernetes/cluster@0.1.2";
import { CoreV1Api, createConfiguration, ServerConfiguration, type V1Pod } from "client-node/api";
import { ListWatch } from "client-node/informer";
import { parseFlags } from "../lib/flags.ts";
import { exit, fail, print, printable } from "../lib/plugin.ts";
import { FetchWatch } from "./watch.ts";

const USAGE = `Shows Pods as they come and go.

Usage:
  kubectl pods-ts [-n NAMESPACE] [--max N]

Options:
      --max N   end after N changes
  -h, --help    this text
`;

async function pods(args: string[]): Promise<void> {
  const known = { "--max=": "max", "-h": "help", "--help": "help" };
  const { operands, values, switches } = parseFlags(args, known, USAGE);
  if (switches.has("help")) return print(USAGE);
  if (operands.length > 0) fail(`unknown argument "${operands[0]}"\n\n${USAGE}`, 2);
  const max = values.max === undefined ? Infinity : Number(values.max);
  if (!(max >= 1)) fail(`--max wants a number from 1 up, not "${values.max}"`, 2);
  const { server, namespace } = current();
  // No credentials: the host adds the user's.
  const api = new CoreV1Api(createConfiguration({ baseServer: new ServerConfiguration(server, {}) }));
  const list = () => api.listNamespacedPod({ namespace });
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`;
  const informer = new ListWatch<V1Pod>(path, new FetchWatch(server), list, false);
  let seen = 0;
  await new Promise<void>((resolve, reject) => {
    const show = (what: string) => ({ metadata, status }: V1Pod) => {
      const name = `${metadata?.namespace}/${metadata?.name}`;
      if (seen < max) print(printable(`${what.padEnd(9)} ${name.padEnd(30)} ${status?.phase ?? ""}`) + "\n");
      if (++seen < max) return;
      informer.stop().then(resolve, reject);
    };
    informer.on("add", show("ADDED"));
    informer.on("update", show("CHANGED"));
    informer.on("delete", show("DELETED"));
    informer.on("error", reject);
    informer.start().catch(reject);
  });
}

/** wasi:cli/run */
export const run = {
  async run(): Promise<void> {
    try {
      await pods(getArguments().slice(1));
    } catch (error) {
      exit(error);
    }
  },
};
