/**
 * Records the denials of a run, and on request its cluster requests: one JSON object a line in the store's log/. Opens the
 * file at the first line, so that a run within its grants costs nothing.
 *
 * Many processes write at once. Each line is one write to a file in append mode, which the system keeps whole. The record
 * never contains secrets: no headers, no bodies, no queries.
 */

import { printable } from "../base/text.ts";

/** The two files. A plugin's many requests cannot push out the denials of others. */
export const RECORDS = { denied: "denied.jsonl", requests: "requests.jsonl" } as const;

/** Number of rotated files: `denied.1.jsonl` is the newest. */
export const KEPT_RECORDS = 3;

const MAX_SIZE = { denied: 1 << 20, requests: 8 << 20 } as const;
/** Limit on the denials that one run writes, since a plugin may try without end. */
const MAX_DENIED = 100;
/** Limit on a text from a plugin. UTF-16 units. */
const LONGEST = 500;

/** The event of a line. */
export type RecordedEvent =
  | {
    /** krew-wasm refused something. */
    readonly event: "denied";
    /** `delete pods in the namespace "default"`. */
    readonly what: string;
    /** The flag that grants it; absent if there is none. */
    readonly grant?: string;
  }
  | {
    /** A person allowed something. */
    readonly event: "allowed";
    readonly what: string;
    readonly grant: string;
    /** The duration: `once`, `run`, `always`. */
    readonly answer: string;
  }
  | {
    readonly event: "request";
    readonly method: string;
    /** Without the query. */
    readonly path: string;
    /** HTTP status; absent without a response. */
    readonly status?: number;
    /** Time until the response's head. */
    readonly ms: number;
    /** The error's code, without a response. */
    readonly error?: string;
  }
  | {
    /** Denials of this run that have no line of their own: repeated, or too many. */
    readonly event: "more";
    readonly count: number;
  };

/** A line. */
export type RecordedLine = RecordedEvent & {
  /** RFC 3339, UTC, milliseconds. */
  readonly time: string;
  readonly plugin: string;
  /** The process of the run. */
  readonly pid: number;
};

/** How a request ended: the HTTP status, or an error's code. */
type Outcome = { readonly status: number } | { readonly error: string };

/** Called once a request has ended. */
type Ended = (outcome?: Outcome) => void;

/** The record of one run. It never throws: if a write fails, the line is lost and the run continues. */
export class RunRecord {
  #directory: string;
  #plugin: string;
  #seen = new Set<string>();
  #more = 0;
  #told = 0;
  /** Requests that have no answer yet. */
  #open = new Set<Ended>();
  /** Lines to retry, for example because the plugin used all descriptors. Few, since each denial is written once. */
  #unwritten: [kind: keyof typeof RECORDS, line: string][] = [];

  /**
   * @param directory the store's log/
   * @param requests whether to write requests too
   */
  constructor(directory: string, plugin: string, readonly requests: boolean) {
    this.#directory = directory;
    this.#plugin = plugin;
  }

  /** Writes nothing, for a broker whose run keeps the record. */
  static silent(): RunRecord {
    return new RunRecord("", "", false);
  }

  /** The number of refusals. Callers compare it before and after to see whether an inner layer recorded the refusal. */
  get told(): number {
    return this.#told;
  }

  /** Records a refusal, each once a run. */
  denied(what: string, grant?: string): void {
    this.#told++;
    const key = `${what}\0${grant}`;
    if (this.#seen.has(key) || this.#seen.size >= MAX_DENIED) {
      this.#more++;
      return;
    }
    this.#seen.add(key);
    this.#write("denied", {
      event: "denied",
      what: printable(what, LONGEST),
      ...(grant === undefined ? {} : { grant: printable(grant, LONGEST) }),
    });
  }

  /** Records a permission that a person gave. */
  allowed(what: string, grant: string, answer: string): void {
    this.#write("denied", {
      event: "allowed",
      what: printable(what, LONGEST),
      grant: printable(grant, LONGEST),
      answer,
    });
  }

  /** Records a request and its outcome. */
  request(method: string, path: string, ms: number, outcome: Outcome): void {
    if (!this.requests) return;
    this.#write("requests", {
      event: "request",
      method: printable(method, 20),
      path: printable(path, LONGEST),
      ms: Math.round(ms),
      ...outcome,
    });
  }

  /**
   * Notes a request that is sent now. If the run ends before its outcome is known, it is recorded as `UNANSWERED`: the
   * server may have done what it asks for.
   *
   * @returns records the outcome; undefined records nothing
   */
  sending(method: string, path: string): Ended {
    if (!this.requests) return () => {};
    const started = performance.now();
    const ended: Ended = (outcome) => {
      if (this.#open.delete(ended) && outcome) {
        this.request(method, path, performance.now() - started, outcome);
      }
    };
    this.#open.add(ended);
    return ended;
  }

  /** Ends the record with the run. */
  close(): void {
    for (const ended of this.#open) ended({ error: "UNANSWERED" });
    const unwritten = this.#unwritten.splice(0);
    for (const [kind, line] of unwritten) this.#append(kind, line);
    this.#unwritten = [];
    if (this.#more > 0) this.#write("denied", { event: "more", count: this.#more });
    this.#more = 0;
  }

  #write(kind: keyof typeof RECORDS, event: RecordedEvent): void {
    if (this.#directory === "") return;
    const line: RecordedLine = {
      time: new Date().toISOString(),
      plugin: this.#plugin,
      pid: Deno.pid,
      ...event,
    };
    this.#append(kind, `${JSON.stringify(line)}\n`);
  }

  #append(kind: keyof typeof RECORDS, line: string): void {
    try {
      append(this.#directory, kind, line);
    } catch {
      // No store, or a full disk: the run continues without. close() tries again.
      if (kind === "denied" && this.#unwritten.length < MAX_DENIED) this.#unwritten.push([kind, line]);
    }
  }
}

/** Appends a line in one write, after rotating a full file. Exported for tests. */
export function append(
  directory: string,
  kind: keyof typeof RECORDS,
  line: string,
  maxSize: number = MAX_SIZE[kind],
): void {
  const path = `${directory}/${RECORDS[kind]}`;
  const bytes = new TextEncoder().encode(line);
  for (let attempt = 0; attempt < 2; attempt++) {
    let file: Deno.FsFile;
    try {
      // No protection from links is necessary: rotation renames, and no other user writes here.
      file = Deno.openSync(path, { append: true, create: true, mode: 0o600 });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound) || attempt > 0) throw error;
      try {
        Deno.mkdirSync(directory, { mode: 0o700 }); // the store's version is older than log/
      } catch (error) {
        if (!(error instanceof Deno.errors.AlreadyExists)) throw error; // another process made it
      }
      continue;
    }
    try {
      if (attempt === 0 && file.statSync().size + bytes.length > maxSize) {
        file.close();
        rotate(directory, kind, maxSize - bytes.length);
        continue;
      }
      file.writeSync(bytes);
      return;
    } finally {
      try {
        file.close();
      } catch { /* it is closed */ }
    }
  }
}

/** Rotates a full file and removes the oldest. One process does it; others then find it done. */
function rotate(directory: string, kind: keyof typeof RECORDS, fullAbove: number): void {
  const path = (index: number) => `${directory}/${numbered(RECORDS[kind], index)}`;
  const lock = Deno.openSync(`${directory}/rotate.lock`, { write: true, create: true, mode: 0o600 });
  try {
    lock.lockSync(true);
    // Another process may have rotated just now, and the new file may not exist yet.
    const full = unlessMissing(() => Deno.statSync(path(0)).size) ?? 0;
    if (full <= fullAbove) return;
    for (let index = KEPT_RECORDS - 1; index >= 0; index--) {
      unlessMissing(() => Deno.renameSync(path(index), path(index + 1)));
    }
  } finally {
    lock.close(); // closing releases the lock
  }
}

function unlessMissing<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** `denied.jsonl`, `denied.1.jsonl`, … */
export function numbered(file: string, index: number): string {
  return index === 0 ? file : file.replace(/(?=\.jsonl$)/, `.${index}`);
}
