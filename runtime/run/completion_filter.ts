/**
 * What a plugin's completion may put into the user's shell. The scripts of cobra, which kubectl and others print for the
 * shells, take what they are told for harmless: some hand words to `eval`, to `compgen -W`, which expands them, or to
 * arithmetic, and what is completed stands on the command line, a press of Enter away. So words of harmless characters get
 * through, descriptions in plain letters, and directives that change nothing else.
 */

import { escapeInvisible } from "../base/invisible.ts";
import { findFlags } from "../kube/config/kubectl_flags.ts";
import { printError } from "./error_report.ts";
import type { Streams } from "../sandbox/types.ts";
import { printableLines } from "../base/text.ts";
import { ClosedPipe, StdinSource, StdoutSink, stdoutSink } from "../wasi/streams/stdio.ts";

/** The most of an answer that is read. Bytes. */
const MAX_ANSWER = 1 << 20;
const MAX_LINES = 5000;
const MAX_WORD = 250;
/** Characters. */
const MAX_DESCRIPTION = 80;

/** No shell gives these characters a meaning, nor cobra's scripts: those take a colon in front for a directive. */
const WORD = /^[\w.+@/-][\w.:=+@,/-]*$/;
/** What of a description is shown as a blank: all but letters, digits, marks and a few signs. */
const NOT_SHOWN = /[^\p{L}\p{N}\p{M} .,:/+=@_-]+/gu;
/** What a file's name may end in for it to be offered. */
const EXTENSION = /^[A-Za-z0-9]{1,16}$/;

/** What words begin with alike stands on the command line, too: this switch needs no value. */
const SWITCH = /^--insecure-skip-tls-verify/;

/** cobra's ShellCompDirective. */
const ERROR = 1;
const NO_SPACE = 2;
const NO_FILES = 4;
const FILTER_EXTENSIONS = 8;
const FILTER_DIRECTORIES = 16;
const KEEP_ORDER = 32;

/**
 * Connection flags of kubectl's whose values a plugin may offer: names of the kubeconfig's, and times. The others lead
 * krew-wasm to other files, servers or users.
 */
const OFFERED_FLAGS: ReadonlySet<string> = new Set([
  "context",
  "cluster",
  "user",
  "namespace",
  "request-timeout",
]);

/**
 * The completions of an answer that a shell may see, in cobra's protocol: a word a line, a tab and its description, `:N`
 * last.
 *
 * @param answer what the plugin printed
 * @param words of the command line behind the plugin's name, the last of them begun only
 */
export function filterCompletions(answer: string, words: readonly string[]): string {
  const lines = answer.split("\n").map((line) => line.replace(/\r$/, "")).filter((line) => line !== "");
  const last = /^:(\d{1,4})$/.exec(lines.at(-1) ?? "");
  const asked = last ? Number(last[1]) : 0;
  if (last) lines.pop();
  const entries = lines.slice(0, MAX_LINES).map((line) => {
    const [word = "", ...about] = line.split("\t");
    return { word, about: about.join(" ") };
  });
  const kept = asked & (ERROR | NO_SPACE | NO_FILES | KEEP_ORDER);
  // Words are then no completions but the ends of files' names, or a directory to look in.
  if (asked & FILTER_DIRECTORIES) return format([], kept | FILTER_DIRECTORIES);
  if (asked & FILTER_EXTENSIONS) {
    const extensions = entries.map(({ word }) => ({ word: word.replace(/^\*?\./, ""), about: "" }));
    const harmless = extensions.filter(({ word }) => EXTENSION.test(word));
    return harmless.length > 0 && harmless.length === extensions.length
      ? format(harmless, kept | FILTER_EXTENSIONS)
      : format([], kept); // all files
  }
  const seen = new Set<string>();
  const harmless = entries.filter(({ word }) => {
    // One word twice with one description would be their common beginning, which bash puts on the command line.
    return !seen.has(word) && isHarmlessWord(word) && !leadsElsewhere(word, words) && seen.add(word);
  });
  return format(harmless, kept);
}

/** Whether a shell takes a word for nothing but a word. */
export function isHarmlessWord(word: string): boolean {
  return WORD.test(word) && word.length <= MAX_WORD;
}

/** A description in plain letters, without what a shell or a terminal would obey. */
export function plainDescription(text: string): string {
  const shown = escapeInvisible(text, () => " ").replace(NOT_SHOWN, " ").replace(/ +/g, " ").trim();
  return [...shown].slice(0, MAX_DESCRIPTION).join("").trim();
}

interface Entry {
  readonly word: string;
  readonly about: string;
}

function format(entries: readonly Entry[], directive: number): string {
  const lines = entries.map(({ word, about }) => {
    const shown = plainDescription(about);
    return `${word}${shown === "" ? "" : `\t${shown}`}\n`;
  });
  return `${lines.join("")}:${directive}\n`;
}

/**
 * Whether a word, put in the place of the begun one, is a connection flag's value that only the user may choose. Shells ask
 * for what is behind `--flag=` or for all of it, bash parts words at some characters and completes the last part, and fish
 * hands on the begun word as it is typed, with its quotes.
 */
function leadsElsewhere(word: string, words: readonly string[]): boolean {
  return [words, whole(words)].some((line) => {
    const before = line.slice(0, -1);
    const begun = (line.at(-1) ?? "").replace(/['"\\]/g, "");
    const starts = ["", ...[...begun.matchAll(/[=:@]/g)].map(({ index }) => begun.slice(0, index + 1))];
    const put = SWITCH.exec(word)?.[0] ?? word;
    return starts.some((start) =>
      findFlags([...before, `${start}${put}`]).some(({ name, value, index }) =>
        index === before.length && value !== "" && !OFFERED_FLAGS.has(name)
      )
    );
  });
}

/** Words that bash parted at the characters of COMP_WORDBREAKS, put together again: `--server=https`, `:`, `//`. */
function whole(words: readonly string[]): string[] {
  const joined: string[] = [];
  let parted = false;
  for (const word of words) {
    const parts = /^[=:@<>;|&(]+$/.test(word);
    if ((parts || parted) && joined.length > 0) joined[joined.length - 1] += word;
    else joined.push(word);
    parted = parts;
  }
  return joined;
}

/** What a plugin reads and writes while it completes, in the middle of what its user types. */
export class CompletionRun {
  readonly streams: Streams;
  #words: readonly string[];
  #chunks: Uint8Array[] = [];
  #size = 0;

  /** @param args of the plugin, its name left out; `verbose`: what it writes to stderr is shown, escaped */
  constructor(args: readonly string[], verbose: boolean) {
    this.#words = args.slice(1);
    this.streams = {
      // Not what is typed: that is the shell's.
      stdin: new StdinSource({ readSync: () => null, read: () => Promise.resolve(null) }),
      stdout: new StdoutSink({ writeSync: (bytes) => this.#add(bytes) }),
      stderr: new StdoutSink({
        writeSync(bytes) {
          if (verbose) printError(printableLines(new TextDecoder().decode(bytes), 4000));
          return bytes.length;
        },
      }),
    };
  }

  /** @throws Deno.errors.BrokenPipe for more than anybody could choose from: the plugin ends */
  #add(bytes: Uint8Array): number {
    this.#size += bytes.length;
    if (this.#size > MAX_ANSWER) throw new Deno.errors.BrokenPipe();
    this.#chunks.push(bytes.slice());
    return bytes.length;
  }

  /** Tells the shell. */
  async print(): Promise<void> {
    const bytes = new TextEncoder().encode(this.answer());
    const stdout = stdoutSink();
    try {
      for (let sent = 0; sent < bytes.length;) sent += await stdout.write(bytes.subarray(sent));
    } catch (error) {
      if (!(error instanceof ClosedPipe)) throw error; // it reads no more
    }
  }

  /** What the shell is told. */
  answer(): string {
    const all = new Uint8Array(this.#size);
    let at = 0;
    for (const chunk of this.#chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return filterCompletions(new TextDecoder().decode(all), this.#words);
  }
}
