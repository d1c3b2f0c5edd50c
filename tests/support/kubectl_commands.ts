/** tests/fixtures/kubectl-plugin: its command lines, and what of an output has to differ between two runs of one. */

import { fileURLToPath } from "node:url";

/** The directory of the program, its command lines and their files. */
export const KUBECTL_SOURCE = fileURLToPath(new URL("../fixtures/kubectl-plugin", import.meta.url));

/** A line of a topic. */
export interface CommandLine {
  /** For /bin/sh. */
  readonly line: string;
  /** The native kubectl runs it in both namespaces. */
  readonly prepares: boolean;
}

/** Reads commands.txt, whose head describes the format. Returns the lines by topic. */
export function readCommands(text: string): Map<string, CommandLine[]> {
  const topics = new Map<string, CommandLine[]>();
  let lines: CommandLine[] | undefined;
  for (const line of text.replaceAll(/\\\n\s*/g, "").split("\n")) {
    const topic = /^# ([a-z]+)$/.exec(line)?.[1];
    if (topic !== undefined) topics.set(topic, lines = []);
    else if (line.startsWith("+ ")) lines?.push({ line: line.slice(2), prepares: true });
    else if (line !== "" && !line.startsWith("#")) lines?.push({ line, prepares: false });
  }
  return topics;
}

/**
 * What differs between two runs of the native kubectl too. A rule counts only where the outputs are not equal as they
 * are.
 */
const VARYING: readonly (readonly [pattern: RegExp, placeholder: string])[] = [
  // klog's heads: a time and a process.
  [/^[EWI]\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ /gm, "KLOG "],
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, "UID"],
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, "TIME"],
  [/\b[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000/g, "TIME"],
  [/\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC/g, "TIME"],
  [/("?resourceVersion"?: ?)"\d+"|(?<=Resource Version: +)\d+/g, "$1VERSION"],
  // Ages, and the spaces that align what follows them or their column's head.
  [/(?<=[\s(])(\d+d)?(\d+h)?(\d+m)?(\d+s)?(?<=\d[dhms])(?![\w.]) *|\bAGE +/g, "AGE "],
  // The API server draws addresses and ports of Services.
  [/\b10\.0\.0\.\d+\b/g, "ADDRESS"],
  [/("?nodePort"?: ?)\d+|(?<=:)3[0-2]\d{3}(?=\/TCP)/g, "$1PORT"],
];

/** An output without what varies. */
export function withoutVarying(text: string): string {
  return VARYING.reduce((all, [pattern, placeholder]) => all.replaceAll(pattern, placeholder), text);
}
