/** Helpers for tests of connections. */

import { openCluster } from "../../runtime/kube/open_cluster.ts";
import { temporaryDirectory } from "./temporary.ts";

/** Opens the cluster of a kubeconfig, as a plugin's run does. */
export async function open(config: string, args: string[] = []) {
  const path = `${temporaryDirectory()}/config`;
  await Deno.writeTextFile(path, config);
  const traced: string[] = [];
  const access = openCluster({
    env: { KUBECONFIG: path },
    args,
    home: "/none",
    cwd: "/",
    trace: (line) => traced.push(line),
  });
  return { access, traced, cluster: () => access.cluster() };
}

/** Reads a body line by line, for any size of pieces. */
export function lineReader(body: ReadableStream<Uint8Array<ArrayBuffer>>) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  return {
    /** The next line, without its end. */
    async read(): Promise<string> {
      for (;;) {
        const end = rest.indexOf("\n");
        if (end >= 0) {
          const line = rest.slice(0, end);
          rest = rest.slice(end + 1);
          return line;
        }
        const { done, value } = await reader.read();
        if (done) throw new Error(`the body ends within a line: "${rest}"`);
        rest += value;
      }
    },
    cancel: () => reader.cancel(),
  };
}

/** A test with connections that stay open until the process ends. */
export function connectionTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeResources: false, sanitizeOps: false });
}
