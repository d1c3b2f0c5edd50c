/** kubectl each: runs one command in all Pods of a selector (exec, through krew-wasm:kubernetes/upgrade). */

import { getArguments } from "wasi:cli/environment@0.2.12";
import { current, send } from "krew-wasm:kubernetes/cluster@0.1.2";
import { exec } from "../lib/exec.ts";
import { parseFlags } from "../lib/flags.ts";
import { exit, fail, print, printable, printError, readAll } from "../lib/plugin.ts";

const USAGE = `Runs a command in every Pod that a selector names, one after the other.

Usage:
  kubectl each [-n NAMESPACE] [-l SELECTOR] [-c CONTAINER] -- COMMAND [ARGS]

Options:
  -l, --selector SELECTOR   labels, as of kubectl get
  -c, --container NAME      the container; the Pod's first where it is left out
  -h, --help                this text

The exit code is the highest of the commands'.
`;

interface Pod {
  metadata: { name: string };
  status?: { phase?: string };
}

/** Prints whole lines with the Pod's name as a prefix. */
function prefixed(name: string, write: (text: string) => void) {
  const decoder = new TextDecoder();
  let rest = "";
  return {
    take(bytes: Uint8Array): void {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop()!;
      for (const line of lines) write(`${name}: ${printable(line)}\n`);
    },
    end(): void {
      if (rest !== "") write(`${name}: ${printable(rest)}\n`);
    },
  };
}

function each(args: string[]): void {
  const known = {
    "-l=": "selector",
    "--selector=": "selector",
    "-c=": "container",
    "--container=": "container",
    "-h": "help",
    "--help": "help",
  };
  const { operands, values, switches } = parseFlags(args, known, USAGE);
  if (switches.has("help")) return print(USAGE);
  if (operands.length === 0) fail(`there is no command\n\n${USAGE}`, 2);
  const { namespace } = current();
  const selector = values.selector === undefined
    ? ""
    : `?labelSelector=${encodeURIComponent(values.selector)}`;
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods${selector}`;
  const { items } = readAll(send({ method: "GET", path, headers: [], body: undefined })) as { items: Pod[] };
  const pods = items.filter(({ status }) => status?.phase === "Running").map(({ metadata }) => metadata.name);
  if (pods.length === 0) {
    fail(`no Pod runs in the namespace ${namespace}${selector && ` with ${values.selector}`}`);
  }
  let highest = 0;
  for (const pod of pods) {
    const [out, err] = [prefixed(pod, print), prefixed(pod, printError)];
    const code = exec({
      namespace,
      pod,
      ...(values.container === undefined ? {} : { container: values.container }),
      command: operands,
      onStdout: out.take,
      onStderr: err.take,
    });
    out.end();
    err.end();
    highest = Math.max(highest, code);
  }
  if (highest > 0) fail(`the command failed with exit code ${highest}`, highest);
}

/** wasi:cli/run */
export const run = {
  run(): void {
    try {
      each(getArguments().slice(1));
    } catch (error) {
      exit(error);
    }
  },
};
