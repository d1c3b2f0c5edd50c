/**
 * Starts the broker before the process restricts itself: a shell that waits, and becomes krew-wasm when it is first needed.
 * The shell starts in a millisecond, krew-wasm in fifty, and most runs need no broker.
 */

import type { Syscalls } from "../kernel/kernel_calls.ts";
import { Channel, type LaterCall, WAKE } from "./channel.ts";

/**
 * The first argument of a broker. Descriptors follow, or `-`: its context, the second channel, and stdout if that is a
 * terminal.
 */
const BROKER_ARGUMENT = "--broker";

/**
 * The shell becomes krew-wasm in the same process, so programs that the broker starts get stdin and the terminal as from
 * this process. The channel takes the place of stdout, which they do not need.
 */
const SHELL = "/bin/sh";
const WAITING = 'read -r _ <&1 && exec "$0" "$@"';
export const CHANNEL = 1;

const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOCK_CLOEXEC = 0o2000000;
const F_DUPFD = 0;
const F_DUPFD_CLOEXEC = 1030;
/** Shells use lower descriptors themselves. */
const LOWEST = 16;

/** A started broker. */
export interface Started {
  /** For calls that block. */
  readonly asked: Channel;
  /** For calls that run beside others, if requested. */
  readonly later: Channel | undefined;
  /** Turns the shell into krew-wasm. Call it once. */
  wake(): void;
  isAwake(): boolean;
}

/**
 * Starts the broker.
 *
 * @param context what the broker learns, sealed against changes
 * @param both whether to open a second channel
 * @returns undefined if no process can be started
 */
export function startBroker(system: Syscalls, context: string, both: boolean): Started | undefined {
  const spawn = loadSpawn();
  const file = system.temporaryFile(new TextEncoder().encode(context));
  const asked = socketPair(system);
  const later = both ? socketPair(system) : undefined;
  if (file === undefined || !asked || both && !later) return undefined;
  const { fcntl, dup3 } = system.numbers;
  const inherited = (fd: number) => Number(system.call(fcntl, fd, F_DUPFD, LOWEST));
  const stdout = Number(system.call(fcntl, CHANNEL, F_DUPFD_CLOEXEC, LOWEST));
  const theirs = [
    inherited(file),
    later && inherited(later[1]),
    Deno.stdout.isTerminal() ? inherited(CHANNEL) : undefined,
  ];
  // stdout is replaced only for the moment of the start. Nothing writes to it then.
  system.call(dup3, asked[1], CHANNEL, 0);
  const self = Deno.execPath();
  const words = [BROKER_ARGUMENT, ...theirs.map((fd) => String(fd ?? "-"))];
  // Without a shell, krew-wasm starts at once.
  const started = spawn(SHELL, "-c", WAITING, self, ...words) || spawn(self, ...words);
  if (stdout < 0) system.close(CHANNEL);
  else system.call(dup3, stdout, CHANNEL, 0);
  for (const fd of [stdout, file, asked[1], later?.[1], ...theirs]) if (fd !== undefined) system.close(fd);
  if (!started) return undefined;
  let awake = false;
  return {
    asked: new Channel(system, asked[0]),
    later: later && new Channel(system, later[0], loadLater()),
    wake() {
      const line = new TextEncoder().encode(WAKE);
      if (!awake) system.call(system.numbers.write, asked[0], system.put(line), line.length);
      awake = true;
    },
    isAwake: () => awake,
  };
}

/** Makes the two ends of a channel. */
function socketPair(system: Syscalls): readonly [number, number] | undefined {
  const { address, view, numbers } = system;
  const made = system.call(numbers.socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, address) === 0n;
  return made ? [view.getInt32(0, true), view.getInt32(4, true)] : undefined;
}

/** Returns a function that starts a program, with exactly the environment of this process. */
function loadSpawn(): (program: string, ...args: string[]) => boolean {
  const { symbols } = Deno.dlopen(
    "libc.so.6",
    {
      posix_spawn: {
        parameters: ["buffer", "buffer", "pointer", "pointer", "buffer", "pointer"],
        result: "i32",
      },
      environ: { type: "pointer" },
    } as const,
  );
  return (program, ...args) => {
    const texts = [program, ...args].map((word) => new TextEncoder().encode(`${word}\0`));
    const addresses = texts.map((text) => BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(text))));
    const words = new Uint8Array(BigUint64Array.from([...addresses, 0n]).buffer);
    const environment = new Deno.UnsafePointerView(symbols.environ!).getPointer();
    return symbols.posix_spawn(new Uint8Array(8), texts[0]!, null, null, words, environment) === 0;
  };
}

/** Makes system calls on another thread. */
export function loadLater(): LaterCall {
  const { symbols } = Deno.dlopen("libc.so.6", {
    syscall: { parameters: ["i64", "i64", "i64", "i64"], result: "i64", nonblocking: true },
  });
  return symbols.syscall as unknown as LaterCall;
}
