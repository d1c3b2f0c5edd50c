/** An API server with a list and a watch of any number of events, each sent by itself. */

/** Maximum number of unread events. */
const AHEAD = 64;

/** A server of events. Each is a Pod and an Event in one, with its number in a field that plugins print. */
export class EventServer implements AsyncDisposable {
  #server: Deno.HttpServer<Deno.NetAddr>;
  #sent = new Map<number, number>();
  #watches = new Set<ReadableStreamDefaultController<Uint8Array>>();
  #next = 1;
  #ended = false;

  private constructor(
    readonly events: number,
    readonly every: number,
    readonly rate: number | undefined,
  ) {
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
      const url = new URL(request.url);
      return url.searchParams.has("watch") ? this.#watch() : this.#list(url);
    });
  }

  /** One of `every` events is timed. `rate`: events per second; by default as fast as the plugin reads. */
  static start(events: number, every: number, rate?: number): EventServer {
    return new EventServer(events, every, rate);
  }

  kubeconfig(): string {
    return JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": "soak",
      clusters: [{ name: "soak", cluster: { server: `http://127.0.0.1:${this.#server.addr.port}` } }],
      users: [{ name: "soak", user: {} }],
      contexts: [{ name: "soak", context: { cluster: "soak", user: "soak", namespace: "default" } }],
    });
  }

  /** The time when an event was sent. */
  sentAt(number: number): number | undefined {
    const at = this.#sent.get(number);
    this.#sent.delete(number);
    return at;
  }

  /** Ends the open watches. */
  end(): void {
    this.#ended = true;
    for (const watch of this.#watches) {
      try {
        watch.close();
      } catch { /* cancelled */ }
    }
    this.#watches.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end();
    await this.#server.shutdown();
  }

  #list(url: URL): Response {
    const kind = url.pathname.endsWith("/events") ? "EventList" : "PodList";
    return Response.json({ apiVersion: "v1", kind, metadata: { resourceVersion: "1" }, items: [] });
  }

  #watch(): Response {
    const encoder = new TextEncoder();
    const started = performance.now();
    let controller!: ReadableStreamDefaultController<Uint8Array>;
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (opened) => {
        controller = opened;
        this.#watches.add(opened);
        const mark = JSON.stringify({ type: "BOOKMARK", object: bookmark() });
        opened.enqueue(encoder.encode(`${mark}\n`));
      },
      pull: async (opened) => {
        // One turn of the event loop for each event, so that each is sent by itself.
        const due = this.rate === undefined ? 0 : started + this.#next / this.rate * 1000 - performance.now();
        await new Promise((resolve) => due > 1 ? setTimeout(resolve, due) : setImmediate(resolve));
        if (this.#ended) return;
        if (this.#next > this.events) return await new Promise(() => {}); // until the plugin ends
        const number = this.#next++;
        opened.enqueue(encoder.encode(eventLine(number)));
        if (number % this.every === 0) this.#sent.set(number, performance.now());
        if (number === this.events) opened.close();
      },
      cancel: () => void this.#watches.delete(controller),
    }, { highWaterMark: AHEAD });
    return new Response(body, { headers: { "content-type": "application/json" } });
  }
}

/** The bookmark at the end of a watch's initial list (KEP-3157). */
function bookmark(): unknown {
  const metadata = { resourceVersion: "1", annotations: { "k8s.io/initial-events-end": "true" } };
  return { apiVersion: "v1", kind: "Bookmark", metadata };
}

function eventLine(number: number): string {
  const object = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: "default", uid: "1", resourceVersion: `${number + 1}` },
    type: "Normal",
    reason: "Soak",
    lastTimestamp: "2026-01-01T00:00:00Z",
    involvedObject: { kind: "Pod", name: "web", namespace: "default" },
    status: { phase: `#${number}#` },
    message: `#${number}#`,
  };
  return `${JSON.stringify({ type: number === 1 ? "ADDED" : "MODIFIED", object })}\n`;
}

/** Node's setImmediate: a turn of the event loop without a timer's delay. */
function setImmediate(run: (value: unknown) => void): void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    run(undefined);
  };
  port2.postMessage(0);
}
