/**
 * Starts the broker before the process restricts itself: a shell that waits, and becomes krew-wasm when it is first needed.
 * It takes a millisecond to start, where krew-wasm takes fifty, and most runs need none.
 */

import type { Syscalls } from "../kernel/kernel_calls.ts";
import { Channel, type LaterCall, WAKE } from "./channel.ts";

/**
 * How krew-wasm knows that it is to be a broker. Descriptors follow, or `-`: of its context, of the second channel, and of stdout
 * where that is a terminal.
 */
export const BROKER_ARGUMENT = "--broker";

/**
 * The same process all along: what it starts has stdin and the terminal, as if this process had started it. The channel is in
 * the place of stdout, which nobody there has need of.
 */
const SHELL = "/bin/sh";
const WAITING = 'read -r _ <&1 && exec "$0" "$@"';
export const CHANNEL = 1;

const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOCK_CLOEXEC = 0o2000000;
const F_DUPFD = 0;
const F_DUPFD_CLOEXEC = 1030;
/** Shells keep lower ones for themselves. */
const LOWEST = 16;

/** A broker that was started. */
export interface Started {
  /** For what is waited for. */
  readonly asked: Channel;
  /** For what goes on beside other things, where that was wanted. */
  readonly later: Channel | undefined;
  /** Has it come to life. Once. */
  wake(): void;
  isAwake(): boolean;
}

/**
 * Starts it.
 *
 * @param context what it is told, which nobody can change any more
 * @param both with a second channel
 * @returns undefined where no process can be started
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
  // For the moment in which it is started: nobody writes to stdout.
  system.call(dup3, asked[1], CHANNEL, 0);
  const self = Deno.execPath();
  const words = [BROKER_ARGUMENT, ...theirs.map((fd) => String(fd ?? "-"))];
  // Without a shell it starts at once.
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

/** The two ends of a channel. */
function socketPair(system: Syscalls): readonly [number, number] | undefined {
  const { address, view, numbers } = system;
  const made = system.call(numbers.socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, address) === 0n;
  return made ? [view.getInt32(0, true), view.getInt32(4, true)] : undefined;
}

/** What starts a program, with the environment that this process was given, byte for byte. */
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

/** System calls on another thread. */
export function loadLater(): LaterCall {
  const { symbols } = Deno.dlopen("libc.so.6", {
    syscall: { parameters: ["i64", "i64", "i64", "i64"], result: "i64", nonblocking: true },
  });
  return symbols.syscall as unknown as LaterCall;
}
