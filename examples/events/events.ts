/** kubectl watch-events: prints events as they happen, by `fetch` (wasi:http): a list, then a watch that resumes. */

import { getArguments } from "wasi:cli/environment@0.2.12";
import { current } from "krew-wasm:kubernetes/cluster@0.1.2";
import { parseFlags } from "../lib/flags.ts";
import { exit, fail, parseAnswer, print, printable } from "../lib/plugin.ts";

const USAGE = `Prints events as they happen.

Usage:
  kubectl watch-events [-n NAMESPACE | -A] [--once | --max N]

Options:
  -n, --namespace NAME  the namespace to watch
  -A, --all-namespaces  all of them
      --once            what there is now, without waiting for more
      --max N           end after N events
  -h, --help            this text
`;

interface Event {
  metadata: { resourceVersion: string; creationTimestamp?: string };
  lastTimestamp?: string;
  eventTime?: string;
  type?: string;
  reason?: string;
  message?: string;
  involvedObject?: { kind?: string; name?: string; namespace?: string };
}

function line(event: Event): string {
  const { involvedObject: object = {}, type = "", reason = "", message = "" } = event;
  const time = event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp ?? "";
  const about = `${(object.kind ?? "").toLowerCase()}/${object.name ?? ""}`;
  const cells = [
    time.slice(11, 19).padEnd(8),
    type.padEnd(7),
    reason.padEnd(16),
    about.padEnd(24),
    message.replaceAll("\n", " "),
  ];
  return `${printable(cells.join("   "))}\n`;
}

async function ask(url: string): Promise<Response> {
  const response = await fetch(url, { headers: { accept: "application/json" } });
  if (!response.ok) parseAnswer(response.status, await response.text());
  return response;
}

/** Reads a watch line by line until it ends. */
async function* changes(
  response: Response,
): AsyncGenerator<{ type: string; object: Event & { code?: number } }> {
  const reader = response.body!.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop()!;
      for (const text of lines) if (text.trim() !== "") yield JSON.parse(text);
    }
  } finally {
    reader.releaseLock();
  }
}

async function events(args: string[]): Promise<void> {
  const known = {
    ...{
      "-A": "all",
      "--all-namespaces": "all",
      "--once": "once",
      "--max=": "max",
      "-h": "help",
      "--help": "help",
    },
  };
  const { operands, values, switches } = parseFlags(args, known, USAGE);
  if (switches.has("help")) return print(USAGE);
  if (operands.length > 0) fail(`unknown argument "${operands[0]}"\n\n${USAGE}`, 2);
  const max = values.max === undefined ? Infinity : Number(values.max);
  if (!(max >= 1)) fail(`--max wants a number from 1 up, not "${values.max}"`, 2);
  const { server, namespace } = current();
  const scope = switches.has("all") ? "" : `/namespaces/${encodeURIComponent(namespace)}`;
  const base = `${server}/api/v1${scope}/events`;
  let printed = 0;
  const show = (event: Event): boolean => {
    if (printed++ === 0) {
      print(`TIME       TYPE      REASON             OBJECT                     MESSAGE\n`);
    }
    print(line(event));
    return printed >= max;
  };
  for (let first = true;; first = false) {
    const list = await (await ask(base)).json() as { metadata: { resourceVersion: string }; items: Event[] };
    // After a lost watch, skip events that were printed before.
    if (first) { for (const event of list.items) if (show(event)) return; }
    if (switches.has("once")) return printed === 0 ? print("No events.\n") : undefined;
    let version = list.metadata.resourceVersion;
    for (let expired = false; !expired;) {
      const watch = await ask(
        `${base}?watch=true&allowWatchBookmarks=true&resourceVersion=${encodeURIComponent(version)}`,
      );
      for await (const { type, object } of changes(watch)) {
        if (type === "ERROR") {
          // 410: the server no longer has the last resource version, so list again.
          if (object.code !== 410) fail(`the watch failed: ${printable(object.message ?? "")}`);
          expired = true;
          break;
        }
        version = object.metadata.resourceVersion;
        if (type !== "BOOKMARK" && type !== "DELETED" && show(object)) return;
      }
    }
  }
}

/** wasi:cli/run */
export const run = {
  async run(): Promise<void> {
    try {
      await events(getArguments().slice(1));
    } catch (error) {
      exit(error);
    }
  },
};
