/**
 * What a run was denied, and, for who asks for it, what it requested of the cluster: one JSON object a line in the store's
 * log/. Opened when there is something to write, so that a run that stays within its grants costs nothing.
 *
 * Many processes write at once: each line is one write to a file that is open for appending, which the system keeps whole.
 * Nothing secret gets in: no headers, no bodies, no queries.
 */

import { printable } from "../base/text.ts";

/** The two files. A plugin that sends many requests can't push out what others were denied. */
export const RECORDS = { denied: "denied.jsonl", requests: "requests.jsonl" } as const;

/** How many full files are kept beside the one that is written: `denied.1.jsonl` is the youngest. */
export const KEPT_RECORDS = 3;

const MAX_SIZE = { denied: 1 << 20, requests: 8 << 20 } as const;
/** The most that one run writes of what it was denied: a plugin may try without end. */
const MAX_DENIED = 100;
/** UTF-16 units of a text that comes from a plugin. */
const LONGEST = 500;

/** What a line tells. */
export type RecordedEvent =
  | {
    /** Refused. */
    readonly event: "denied";
    /** `delete pods in the namespace "default"`. */
    readonly what: string;
    /** The flag that grants it; left out where none does. */
    readonly grant?: string;
  }
  | {
    /** A person was asked and allowed it. */
    readonly event: "allowed";
    readonly what: string;
    readonly grant: string;
    /** How long: `once`, `run`, `always`. */
    readonly answer: string;
  }
  | {
    readonly event: "request";
    readonly method: string;
    /** Without the query. */
    readonly path: string;
    /** HTTP status; left out where there was no answer. */
    readonly status?: number;
    /** To the head of the answer. */
    readonly ms: number;
    /** The code of the error, where there was no answer. */
    readonly error?: string;
  }
  | {
    /** Denials of the same run that are not written one by one: repeated, or too many. */
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

/** The record of one run. Nothing here throws: what can't be written is lost, and the run goes on. */
export class RunRecord {
  #directory: string;
  #plugin: string;
  #seen = new Set<string>();
  #more = 0;
  #told = 0;
  /** What could not be written yet, as a plugin may have all descriptors; few, as each is told once. */
  #unwritten: [kind: keyof typeof RECORDS, line: string][] = [];

  /**
   * @param directory the store's log/
   * @param requests whether requests are written too
   */
  constructor(directory: string, plugin: string, readonly requests: boolean) {
    this.#directory = directory;
    this.#plugin = plugin;
  }

  /** A record of nothing, for who asks on behalf of a run that keeps its own. */
  static silent(): RunRecord {
    return new RunRecord("", "", false);
  }

  /** How often something was refused, written or not: who stands above can tell that it was told of below. */
  get told(): number {
    return this.#told;
  }

  /** What was refused; the same once a run. */
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

  /** What a person allowed. */
  allowed(what: string, grant: string, answer: string): void {
    this.#write("denied", {
      event: "allowed",
      what: printable(what, LONGEST),
      grant: printable(grant, LONGEST),
      answer,
    });
  }

  /** A request and what became of it. */
  request(method: string, path: string, ms: number, outcome: { status?: number; error?: string }): void {
    if (!this.requests) return;
    this.#write("requests", {
      event: "request",
      method: printable(method, 20),
      path: printable(path, LONGEST),
      ms: Math.round(ms),
      ...outcome,
    });
  }

  /** The run is over. */
  close(): void {
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
      // No store, a full disk: the record is not worth the run. It is tried once more at its end.
      if (kind === "denied" && this.#unwritten.length < MAX_DENIED) this.#unwritten.push([kind, line]);
    }
  }
}

/** Appends a line in one write; a file that is full is put aside first. Exported for tests. */
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
      // Links are not followed: rotation renames, and nobody else writes here.
      file = Deno.openSync(path, { append: true, create: true, mode: 0o600 });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound) || attempt > 0) throw error;
      try {
        Deno.mkdirSync(directory, { mode: 0o700 }); // the store of a version without log/
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

/** Puts a full file aside, and the oldest away. One process does it; who comes second finds it done. */
function rotate(directory: string, kind: keyof typeof RECORDS, fullAbove: number): void {
  const path = (index: number) => `${directory}/${numbered(RECORDS[kind], index)}`;
  const lock = Deno.openSync(`${directory}/rotate.lock`, { write: true, create: true, mode: 0o600 });
  try {
    lock.lockSync(true);
    // Another process may have put it aside just now, with no line in the new one yet.
    const full = unlessMissing(() => Deno.statSync(path(0)).size) ?? 0;
    if (full <= fullAbove) return;
    for (let index = KEPT_RECORDS - 1; index >= 0; index--) {
      unlessMissing(() => Deno.renameSync(path(index), path(index + 1)));
    }
  } finally {
    lock.close(); // and so unlocks
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
