/**
 * Filters what a plugin's completion puts into the user's shell. The shell scripts of cobra, which kubectl and others
 * print, trust these answers. Some pass words to `eval`, to `compgen -W`, which expands them, or to arithmetic. A completed
 * word is also on the command line, one Enter away. So the filter lets through words of harmless characters, descriptions
 * in plain letters, and directives without side effects.
 */

import { concatBytes } from "../base/bytes.ts";
import { escapeInvisible } from "../base/invisible.ts";
import { findFlags } from "../kube/config/kubectl_flags.ts";
import { printError } from "./error_report.ts";
import type { Streams } from "../sandbox/types.ts";
import { printableLines } from "../base/text.ts";
import { ClosedPipe, StdinSource, StdoutSink, stdoutSink } from "../wasi/streams/stdio.ts";

/** krew-wasm reads at most this much of an answer. Bytes. */
const MAX_ANSWER = 1 << 20;
const MAX_LINES = 5000;
const MAX_WORD = 250;
/** Characters. */
const MAX_DESCRIPTION = 80;

/** No shell gives these characters a meaning. cobra's scripts read a leading colon as a directive. */
const WORD = /^[\w.+@/-][\w.:=+@,/-]*$/;
/** Characters that a description shows as a blank: all but letters, digits, marks and a few signs. */
const NOT_SHOWN = /[^\p{L}\p{N}\p{M} .,:/+=@_-]+/gu;
/** The allowed ends of file names to offer. */
const EXTENSION = /^[A-Za-z0-9]{1,16}$/;

/** A common prefix of words also reaches the command line. This switch takes effect without a value. */
const SWITCH = /^--insecure-skip-tls-verify/;

/** cobra's ShellCompDirective. */
const ERROR = 1;
const NO_SPACE = 2;
const NO_FILES = 4;
const FILTER_EXTENSIONS = 8;
const FILTER_DIRECTORIES = 16;
const KEEP_ORDER = 32;

/**
 * kubectl's connection flags whose values a plugin may offer: names in the kubeconfig, and times. Other flags would lead
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
 * The completions that a shell may see, in cobra's protocol: a word a line, a tab and its description, and `:N` at the end.
 *
 * @param answer the plugin's output
 * @param words the command line after the plugin's name; the last word is incomplete
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
  // With this directive, words are ends of file names, or a directory to search.
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
    // If one word came twice with one description, bash would put their common beginning on the command line.
    return !seen.has(word) && isHarmlessWord(word) && !leadsElsewhere(word, words) && seen.add(word);
  });
  return format(harmless, kept);
}

/** Whether every shell reads a word as plain text. */
export function isHarmlessWord(word: string): boolean {
  return WORD.test(word) && word.length <= MAX_WORD;
}

/** A description in plain letters, without characters that a shell or a terminal interprets. */
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
 * Whether a completed word is the value of a connection flag that only the user may choose. Some shells complete the part
 * after `--flag=`, others the whole word. bash splits words at some characters and completes the last part. fish passes the
 * incomplete word with its quotes.
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

/** Joins the words that bash split at the characters of COMP_WORDBREAKS: `--server=https`, `:`, `//`. */
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

/** The streams of a plugin that completes, while the user is typing. */
export class CompletionRun {
  readonly streams: Streams;
  #words: readonly string[];
  #chunks: Uint8Array[] = [];
  #size = 0;

  /** @param args the plugin's arguments without its name; `verbose`: show its stderr, escaped */
  constructor(args: readonly string[], verbose: boolean) {
    this.#words = args.slice(1);
    this.streams = {
      // The user's input belongs to the shell.
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

  /** @throws Deno.errors.BrokenPipe if the answer is too long for any user; the plugin then ends */
  #add(bytes: Uint8Array): number {
    this.#size += bytes.length;
    if (this.#size > MAX_ANSWER) throw new Deno.errors.BrokenPipe();
    this.#chunks.push(bytes.slice());
    return bytes.length;
  }

  /** Prints the answer for the shell. */
  async print(): Promise<void> {
    const bytes = new TextEncoder().encode(this.answer());
    const stdout = stdoutSink();
    try {
      for (let sent = 0; sent < bytes.length;) sent += await stdout.write(bytes.subarray(sent));
    } catch (error) {
      if (!(error instanceof ClosedPipe)) throw error; // the shell no longer reads
    }
  }

  /** The filtered answer. */
  answer(): string {
    return filterCompletions(new TextDecoder().decode(concatBytes(this.#chunks)), this.#words);
  }
}
