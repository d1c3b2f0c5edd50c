/**
 * A process that restricts itself by the kernel's means and then tries what it is told to, on each kind of its threads.
 * Started by tests/runtime/kernel/restrict_test.ts; its argument is JSON, as is what it prints.
 */

import { type Restriction, restrictProcess, type Standing } from "../../runtime/kernel/restrict.ts";
import { Syscalls } from "../../runtime/kernel/syscalls.ts";
import { callOnThread, otherThreads } from "./thread_call.ts";

/** What is tried: a name, and words for it. */
export interface Order {
  readonly restriction: Restriction;
  readonly attempts: readonly (readonly [name: string, ...words: string[]])[];
}

/** What came of it: "ok", or the error's name. */
export interface Report {
  readonly standing: Standing;
  readonly results: readonly string[];
  /** The restriction took so long, in milliseconds. */
  readonly milliseconds: number;
}

const libc = Deno.dlopen("libc.so.6", {
  syscall: { parameters: ["i64", "i64", "i64", "i64", "i64", "i64", "i64"], result: "i64" },
  openElsewhere: { name: "open", parameters: ["buffer", "i32"], result: "i32", nonblocking: true },
  __errno_location: { parameters: [], result: "pointer" },
});
const errno = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(libc.symbols.__errno_location()!, 4));
const scratch = new Uint8Array(4096);
const address = BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(scratch)));

/** A call of the kernel's; "$" stands for an address of zeros, another text for that of itself. */
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

const x86 = Deno.build.arch === "x86_64";

const ATTEMPTS: Readonly<Record<string, (...words: string[]) => unknown>> = {
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
  /** On every thread that there was before. */
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
  listen: () => Deno.listen({ hostname: "127.0.0.1", port: 0 }).close(),
  compute: async () => {
    await WebAssembly.compile(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]));
    await new Promise((resolve) => setTimeout(resolve, 1));
    await crypto.subtle.digest("SHA-256", new Uint8Array(1 << 20));
  },
  /** A call by its numbers on the two architectures. */
  call: (numbers = "", ...args) => {
    const [amd, arm] = numbers.split("/").map(Number);
    const result = call(
      x86 ? amd! : arm ?? amd!,
      ...args.map((arg) => /^-?\d+$/.test(arg) ? Number(arg) : arg),
    );
    if (result !== "ok") throw Object.assign(new Error(), { name: result });
  },
};

const { restriction, attempts } = JSON.parse(Deno.args[0]!) as Order;
await Deno.readTextFile("/proc/self/status"); // a thread of the pool is there
const system = Syscalls.load()!;
const threads = otherThreads();
const started = performance.now();
const standing = restrictProcess(system, restriction);
const milliseconds = performance.now() - started;
const results: string[] = [];
for (const [name, ...words] of attempts) {
  try {
    await ATTEMPTS[name]!(...words);
    results.push("ok");
  } catch (error) {
    results.push((error as Error).name);
  }
}
const report: Report = { standing, results, milliseconds };
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify(report)));
Deno.exit(0);
