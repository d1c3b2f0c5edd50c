/** Runs commands in containers, over krew-wasm:kubernetes/upgrade. */

import type { InputStream } from "wasi:io/streams@0.2.12";
import { poll, type Pollable } from "wasi:io/poll@0.2.12";
import { open } from "krew-wasm:kubernetes/upgrade@0.1.2";
import { fail, readAll } from "./plugin.ts";

/** The command to run, and callbacks for its output. */
export interface Exec {
  readonly namespace: string;
  readonly pod: string;
  /** Default: the Pod's first container. */
  readonly container?: string;
  readonly command: readonly string[];
  /** The command's stdin. */
  readonly stdin?: Uint8Array;
  onStdout(bytes: Uint8Array): void;
  onStderr(bytes: Uint8Array): void;
}

/** A channel's open stream. */
interface Output {
  readonly stream: InputStream;
  /** Ready whenever data has arrived. One pollable serves the whole run. */
  readonly pollable: Pollable;
  readonly take: (bytes: Uint8Array) => void;
}

function outputOf(stream: InputStream, take: Output["take"]): Output {
  return { stream, pollable: stream.subscribe(), take };
}

/** Runs a command and returns its exit code. Fails with the server's message if the server refuses. */
export function exec(what: Exec): number {
  const { namespace, pod, container, command, stdin, onStdout, onStderr } = what;
  const query = [
    ...command.map((word) => `command=${encodeURIComponent(word)}`),
    ...(container === undefined ? [] : [`container=${encodeURIComponent(container)}`]),
    ...(stdin === undefined ? [] : ["stdin=true"]),
    "stdout=true",
    "stderr=true",
  ].join("&");
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods/${
    encodeURIComponent(pod)
  }/exec?${query}`;
  const connection = connect(path);
  if (stdin !== undefined) {
    const sink = connection.output(0);
    for (let at = 0; at < stdin.length; at += 4096) sink.blockingWriteAndFlush(stdin.subarray(at, at + 4096));
    sink[Symbol.dispose](); // the command sees the end of its input
  }
  let status = "";
  const decoder = new TextDecoder();
  const outputs: Output[] = [
    outputOf(connection.input(1), onStdout),
    outputOf(connection.input(2), onStderr),
    outputOf(connection.input(3), (bytes) => void (status += decoder.decode(bytes, { stream: true }))),
  ];
  while (outputs.length > 0) {
    const ready = [...poll(outputs.map(({ pollable }) => pollable))];
    for (const index of ready.reverse()) {
      const { stream, pollable, take } = outputs[index]!;
      try {
        take(stream.read(65536n));
      } catch (error) {
        const { payload } = error as { payload?: { tag?: string; val?: { toDebugString?(): string } } };
        if (payload?.tag !== "closed") {
          fail(`the connection to ${pod} broke off: ${payload?.val?.toDebugString?.() ?? error}`);
        }
        outputs.splice(index, 1);
        pollable[Symbol.dispose](); // before its stream
        stream[Symbol.dispose]();
      }
    }
  }
  return exitCodeOf(status, pod);
}

function connect(path: string) {
  try {
    return open({ path, headers: [], protocols: ["v5.channel.k8s.io", "v4.channel.k8s.io"] });
  } catch (error) {
    const { payload } = error as { payload?: { tag?: string; val?: unknown } };
    if (payload?.tag === "refused") {
      readAll(payload.val as Parameters<typeof readAll>[0]);
    } else if (payload?.tag === "failed") {
      fail((payload.val as { val: string }).val);
    }
    throw error;
  }
}

/** Reads the exit code from the Status on the error channel. */
function exitCodeOf(text: string, pod: string): number {
  const status = JSON.parse(text || "{}") as {
    status?: string;
    reason?: string;
    message?: string;
    details?: { causes?: { reason?: string; message?: string }[] };
  };
  if (status.status === "Success") return 0;
  const code = status.details?.causes?.find(({ reason }) => reason === "ExitCode")?.message;
  if (code !== undefined) return Number(code);
  return fail(status.message ?? `the command in ${pod} ended without saying how`);
}
