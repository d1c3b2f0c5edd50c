/** A plugin's socket to the API server, to send and receive text in tests. */

import type { AppError } from "../../runtime/base/errors.ts";
import type { Cluster } from "../../runtime/kube/cluster.ts";
import { openSocket } from "../../runtime/kube/socket_server/socket.ts";
import { fromLatin1 } from "../../runtime/base/bytes.ts";
import { HostMemory } from "../../runtime/wasi/host_memory.ts";

/** Opens such a socket. */
export function openClient(cluster: Cluster, memory = new HostMemory()) {
  const told: AppError[] = [];
  const { hostname, port } = new URL(cluster.server);
  const socket = openSocket({
    cluster,
    address: hostname === "127.0.0.1" ? hostname : "10.0.0.1",
    port: Number(port),
    addresses: ["10.0.0.1", "127.0.0.1"],
    memory,
    explained: (error) => told.push(error),
    refused: (error) => told.push(error),
    trace: () => {},
  });
  const buffer = new Uint8Array(65536);
  let heard = "";
  const more = async () => {
    const count = await socket.read(buffer);
    if (count !== null) heard += String.fromCharCode(...buffer.subarray(0, count));
    return count !== null;
  };
  return {
    socket,
    told,
    /** Sends a text, one byte a character. */
    async say(text: string) {
      for (let rest = fromLatin1(text); rest.length > 0;) rest = rest.subarray(await socket.write(rest));
    },
    /** Reads until the other side closes the connection. */
    async hearAll() {
      while (await more());
      return heard.slice(0);
    },
    /** Reads up to a text, included. @throws Error if the connection ends before */
    async hear(text: string) {
      while (!heard.includes(text)) {
        if (!await more()) throw new Error(`the connection ended after ${JSON.stringify(heard)}`);
      }
      const end = heard.indexOf(text) + text.length;
      const taken = heard.slice(0, end);
      heard = heard.slice(end);
      return taken;
    },
  };
}
