/**
 * Attempts of an attacker who runs JavaScript or machine code in the process with all of Deno's permissions: files,
 * programs, processes and sockets, on each kind of thread.
 */

import { Channel, type Json, WAKE } from "../../runtime/sandbox/broker/channel.ts";
import type { Syscalls } from "../../runtime/sandbox/kernel/kernel_calls.ts";
import { callOnThread, otherThreads } from "./thread_call.ts";

const libc = Deno.dlopen("libc.so.6", {
  syscall: { parameters: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"], result: "i64" },
  openElsewhere: { name: "open", parameters: ["buffer", "i32"], result: "i32", nonblocking: true },
  __errno_location: { parameters: [], result: "pointer" },
});
const errno = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(libc.symbols.__errno_location()!, 4));
const scratch = new Uint8Array(4096);
const address = BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(scratch)));

/** Makes a system call. "$" stands for the address of zeros, another text for the address of that text. */
function call(number: number, ...args: (number | string)[]): string {
  scratch.fill(0);
  let at = 1024;
  const [a = 0n, b = 0n, c = 0n, d = 0n, e = 0n, f = 0n] = args.map((argument) => {
    if (typeof argument === "number") return BigInt(argument);
    if (argument === "$") return address;
    new TextEncoder().encodeInto(argument, scratch.subarray(at));
    at += argument.length + 1;
    return address + BigInt(at - argument.length - 1);
  });
  const result = Number(libc.symbols.syscall(BigInt(number), a, b, c, d, e, f));
  return result < 0 ? ERRNOS[errno[0]!] ?? `errno ${errno[0]}` : "ok";
}

const ERRNOS: Readonly<Record<number, string>> = {
  1: "EPERM",
  2: "ENOENT",
  3: "ESRCH",
  13: "EACCES",
  14: "EFAULT",
  18: "EXDEV",
  22: "EINVAL",
  25: "ENOTTY",
  38: "ENOSYS",
};

/** The channel to the broker: the first socket of its type in the process. */
function brokerChannel(system: Syscalls) {
  for (let fd = 3; fd < 100; fd++) {
    scratch.fill(0);
    scratch[8] = 4; // the size of an int
    const [SOL_SOCKET, SO_TYPE, SEQPACKET] = [1n, 3n, 5];
    const asked = libc.symbols.syscall(
      BigInt(x86 ? 55 : 209), // getsockopt
      BigInt(fd),
      SOL_SOCKET,
      SO_TYPE,
      address,
      address + 8n,
      0n,
    );
    if (asked !== 0n || scratch[0] !== SEQPACKET) continue;
    const channel = new Channel(system, fd);
    return {
      ask(message: Json) {
        woken ||= system.call(system.numbers.write, fd, system.put(new TextEncoder().encode(WAKE)), 1) > 0n;
        channel.send(message);
        return channel.receive();
      },
    };
  }
  return undefined;
}

let woken = false;

const x86 = Deno.build.arch === "x86_64";

/**
 * The attempts by name. Each takes words, and throws if it is refused. Create them while `ffi` is permitted and threads are
 * visible.
 */
export function attempts(system: Syscalls): Readonly<Record<string, (...words: string[]) => unknown>> {
  const threads = otherThreads();
  return {
    read: (path = "") => Deno.readTextFileSync(path),
    readLater: async (path = "") => await Deno.readTextFile(path),
    import: async (path = "") => await import(`file://${path}`, { with: { type: "json" } }),
    worker: (path = "") =>
      new Promise<void>((resolve, reject) => {
        const code = `try { Deno.readTextFileSync(${JSON.stringify(path)}); postMessage(""); }
        catch (error) { postMessage(error.name); }`;
        const worker = new Worker(`data:text/javascript,${encodeURIComponent(code)}`, { type: "module" });
        worker.onmessage = ({ data }) => {
          worker.terminate();
          data === "" ? resolve() : reject(Object.assign(new Error(), { name: data }));
        };
      }),
    readElsewhere: async (path = "") => {
      const fd = await libc.symbols.openElsewhere(new TextEncoder().encode(`${path}\0`), 0);
      if (fd < 0) throw new Deno.errors.PermissionDenied();
    },
    /** Reads on every thread that existed before. */
    readEverywhere: (path = "") => {
      const results = threads.map((thread) => callOnThread(system, thread, path));
      if (results.length === 0 || results.some((result) => result >= 0)) return;
      throw new Deno.errors.PermissionDenied();
    },
    list: (path = "") => [...Deno.readDirSync(path)],
    write: (path = "") => Deno.writeTextFileSync(path, "x"),
    append: (path = "") => Deno.writeTextFileSync(path, "x", { append: true, create: false }),
    make: (path = "") => Deno.mkdirSync(path),
    remove: (path = "") => Deno.removeSync(path),
    rename: (from = "", to = "") => Deno.renameSync(from, to),
    link: (from = "", to = "") => Deno.linkSync(from, to),
    symlink: (to = "", path = "") => Deno.symlinkSync(to, path),
    truncate: (path = "") => Deno.truncateSync(path),
    chmod: (path = "") => Deno.chmodSync(path, 0o777),
    stat: (path = "") => Deno.statSync(path),
    run: (program = "") => new Deno.Command(program).outputSync(),
    kill: (process = "") => Deno.kill(Number(process), "SIGURG"),
    connect: async (host = "", port = "") =>
      (await Deno.connect({ hostname: host, port: Number(port) })).close(),
    connectUnix: async (path = "") => (await Deno.connect({ transport: "unix", path })).close(),
    listen: (port) => Deno.listen({ hostname: "127.0.0.1", port: Number(port ?? 0) }).close(),
    /** Sends a message to the broker. Throws if the answer is a failure. */
    broker: (...words) => {
      const { message } = brokerChannel(system)?.ask(JSON.parse(words.join("|"))) ?? { message: null };
      const { failure, errno } = (message ?? {}) as { failure?: { message: string }; errno?: string };
      const name = failure?.message ?? errno;
      if (name !== undefined) throw Object.assign(new Error(), { name });
      if (message === null) throw Object.assign(new Error(), { name: "none" });
    },
    compute: async () => {
      await WebAssembly.compile(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]));
      await new Promise((resolve) => setTimeout(resolve, 1));
      await crypto.subtle.digest("SHA-256", new Uint8Array(1 << 20));
    },
    /** Makes a system call by its numbers on the two architectures. */
    call: (numbers = "", ...args) => {
      const [amd, arm] = numbers.split("/").map(Number);
      const result = call(
        x86 ? amd! : arm ?? amd!,
        ...args.map((arg) => /^-?\d+$/.test(arg) ? Number(arg) : arg),
      );
      if (result !== "ok") throw Object.assign(new Error(), { name: result });
    },
  };
}
