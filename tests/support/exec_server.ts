/** exec, attach and port-forward for the tests' API server, as a kubelet serves them over WebSockets. */

import { type ApiHook, jsonResponse, status } from "../../scripts/servers/api_server.ts";

/** The messages of one WebSocket. */
export interface SeenSocket {
  readonly path: string;
  readonly headers: Headers;
  readonly protocol: string;
  /** The close code; undefined while the socket is open. */
  closed: number | undefined;
}

/** The first requests of kubectl. */
const DISCOVERY: Readonly<Record<string, unknown>> = {
  "/api": { kind: "APIVersions", versions: ["v1"] },
  "/apis": { kind: "APIGroupList", apiVersion: "v1", groups: [] },
  "/api/v1": {
    kind: "APIResourceList",
    groupVersion: "v1",
    resources: ["pods", "pods/exec", "pods/attach", "pods/portforward"].map((name) => ({
      name,
      singularName: name === "pods" ? "pod" : "",
      namespaced: true,
      kind: "Pod",
      verbs: ["create", "get", "list"],
    })),
  },
};

/** The server's side of exec, attach and port-forward. */
export class ExecServer {
  readonly sockets: SeenSocket[] = [];
  /** The port of a SPDY server behind the port-forward tunnel. Without it the tunnel echoes. */
  kubelet: number | undefined;
  /** Resolves when a socket has closed. */
  #closed = Promise.withResolvers<void>();

  /** The pods: `web`, and `secret`, which refuses exec. */
  readonly hook: ApiHook = (request, url) => {
    const discovery = DISCOVERY[url.pathname];
    if (discovery) return jsonResponse(discovery);
    const [, name, subresource] =
      /^(?:\/prefix)?\/api\/v1\/namespaces\/default\/pods\/([^/]+)(?:\/(exec|attach|portforward|proxy))?$/
        .exec(
          url.pathname,
        ) ?? [];
    if (name === undefined) return undefined;
    if (subresource === undefined) {
      return jsonResponse({
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, namespace: "default" },
        spec: { containers: [{ name: "main" }] },
        status: { phase: "Running" },
      });
    }
    if (name === "secret") {
      return status(
        403,
        "Forbidden",
        `pods "${name}" is forbidden: User "jane" cannot create resource "pods/${subresource}"`,
      );
    }
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
      return status(400, "BadRequest", "Upgrade request required");
    }
    const offered = (request.headers.get("sec-websocket-protocol") ?? "").split(",").map((one) => one.trim());
    const spoken = subresource === "portforward"
      ? ["SPDY/3.1+portforward.k8s.io", "v4.channel.k8s.io"]
      : subresource === "proxy"
      ? ["plain.kubevirt.io"]
      : ["v5.channel.k8s.io", "v4.channel.k8s.io"];
    const protocol = offered.find((one) => spoken.includes(one));
    if (protocol === undefined) return status(400, "BadRequest", "no protocol in common");
    const headers = new Headers(request.headers); // the upgrade makes them unreadable
    const { socket, response } = Deno.upgradeWebSocket(request, { protocol, idleTimeout: 0 });
    socket.binaryType = "arraybuffer";
    const seen: SeenSocket = {
      path: `${url.pathname}${url.search}`,
      headers,
      protocol,
      closed: undefined,
    };
    this.sockets.push(seen);
    socket.onclose = ({ code }) => {
      seen.closed = code;
      this.#closed.resolve();
      this.#closed = Promise.withResolvers<void>();
    };
    socket.onerror = () => {};
    if (subresource === "portforward" && protocol.startsWith("SPDY")) {
      if (this.kubelet === undefined) echo(socket);
      else tunnel(socket, this.kubelet);
    } else if (subresource === "portforward") forward(socket, url);
    else if (subresource === "proxy") echo(socket);
    else serve(socket, url.searchParams, protocol.startsWith("v5"));
    return response;
  };

  /** Resolves when the last socket has closed. */
  async closing(): Promise<SeenSocket> {
    const last = this.sockets.at(-1)!;
    while (last.closed === undefined) await this.#closed.promise;
    return last;
  }
}

function send(socket: WebSocket, channel: number, bytes: Uint8Array | string): void {
  const payload = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
  const message = new Uint8Array(1 + payload.length);
  message[0] = channel;
  message.set(payload, 1);
  if (socket.readyState === WebSocket.OPEN) socket.send(message);
}

/** Echoes each message. */
function echo(socket: WebSocket): void {
  socket.onmessage = ({ data }) => socket.send(data);
}

/** Joins all messages to one stream to a local port, and back. */
async function tunnel(socket: WebSocket, port: number): Promise<void> {
  // The first message may arrive before the connection is up.
  const connected = Deno.connect({ hostname: "127.0.0.1", port });
  const writer = connected.then(({ writable }) => writable.getWriter());
  socket.onmessage = async ({ data }) => {
    await (await writer).write(new Uint8Array(data as ArrayBuffer)).catch(() => {});
  };
  socket.addEventListener("close", async () => await (await writer).close().catch(() => {}));
  try {
    for await (const bytes of (await connected).readable) {
      if (socket.readyState === WebSocket.OPEN) socket.send(bytes);
    }
    socket.close(1000);
  } catch { /* the test is over */ }
}

/** The older port-forward: two channels for each port. Each begins with the port. */
function forward(socket: WebSocket, url: URL): void {
  const ports = url.searchParams.getAll("ports").map(Number);
  socket.onopen = () =>
    ports.forEach((port, index) => {
      for (const channel of [index * 2, index * 2 + 1]) {
        send(socket, channel, new Uint8Array([port & 255, port >> 8]));
      }
    });
  socket.onmessage = ({ data }) => {
    const message = new Uint8Array(data as ArrayBuffer);
    send(socket, message[0]!, new TextDecoder().decode(message.subarray(1)).toUpperCase());
  };
}

/** A container with a few commands: cat, echo, fail CODE, flood BYTES, size, hang, drop, garbage. */
function serve(socket: WebSocket, query: URLSearchParams, closes: boolean): void {
  const [command = "cat", ...args] = query.getAll("command");
  const end = (exit: number) => {
    const details = { causes: [{ reason: "ExitCode", message: String(exit) }] };
    send(
      socket,
      3,
      JSON.stringify(
        exit === 0 ? { metadata: {}, status: "Success" } : {
          metadata: {},
          status: "Failure",
          message: `command terminated with non-zero exit code: exit status ${exit}`,
          reason: "NonZeroExitCode",
          details,
        },
      ),
    );
    socket.close(1000);
  };
  socket.onmessage = ({ data }) => {
    const message = typeof data === "string"
      ? new TextEncoder().encode(data)
      : new Uint8Array(data as ArrayBuffer);
    const [channel, second] = message;
    if (channel === 255 && closes) {
      if (second === 0 && command === "cat") end(0);
      if (second === 0 && command === "count") {
        send(socket, 1, `${counted}\n`);
        end(0);
      }
    } else if (channel === 0 && command === "cat") send(socket, 1, message.subarray(1));
    else if (channel === 0) counted += message.length - 1;
    else if (channel === 4 && command === "size") {
      send(socket, 1, message.subarray(1));
      end(0);
    }
  };
  let counted = 0;
  socket.onopen = async () => {
    switch (command) {
      case "echo":
        if (query.get("stdout") === "true") send(socket, 1, `${args.join(" ")}\n`);
        if (query.get("stderr") === "true") send(socket, 2, "to stderr\n");
        return end(0);
      case "fail":
        return end(Number(args[0]));
      case "flood": {
        const total = Number(args[0]);
        const piece = new Uint8Array(65536).fill(120);
        for (let sent = 0; sent < total && socket.readyState === WebSocket.OPEN; sent += piece.length) {
          send(socket, 1, piece.subarray(0, Math.min(piece.length, total - sent)));
          // The server limits its own memory, too.
          while (socket.bufferedAmount > 1 << 20) await new Promise((resolve) => setTimeout(resolve, 1));
        }
        return end(0);
      }
      case "drop":
        send(socket, 1, "half a li");
        return socket.close(4000, "the pod is gone");
      case "garbage":
        socket.send("text, and no channel");
        socket.send(new Uint8Array());
        socket.send(new Uint8Array([255, 9, 9]));
        socket.send(new Uint8Array([200, 1, 2, 3]));
        send(socket, 1, "still here\n");
        return end(0);
    }
  };
}
