/** A Watch for @kubernetes/client-node's informers, over fetch. */

type Callback = (phase: string, object: unknown, watched?: unknown) => void;

/** Replaces the package's Watch, which needs node:readline. */
export class FetchWatch {
  constructor(private readonly server: string) {}

  /** Watches until the end or an abort, then calls `done`. */
  watch(
    path: string,
    query: Record<string, string | number | boolean | undefined>,
    callback: Callback,
    done: (error?: unknown) => void,
  ): Promise<AbortController> {
    const url = new URL(this.server + path);
    url.searchParams.set("watch", "true");
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const abort = new AbortController();
    const failed = (error: unknown) => done(abort.signal.aborted ? undefined : error);
    this.#read(url, abort.signal, callback).then(() => done(), failed);
    return Promise.resolve(abort);
  }

  async #read(url: URL, signal: AbortSignal, callback: Callback): Promise<void> {
    const response = await fetch(url, { signal });
    if (!response.ok) throw new Error(`the API server answered ${response.status}: ${await response.text()}`);
    // StarlingMonkey can't pipe a body through a TextDecoderStream.
    const reader = response.body!.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        if (line === "") continue;
        const { type, object } = JSON.parse(line);
        callback(type, object, { type, object });
      }
    }
  }
}
