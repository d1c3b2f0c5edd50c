/**
 * In place of runtime/wasi/random_bytes.ts in a build that is made for tests: a broken inner wall. A plugin that asks for random
 * bytes where an order stands has the order carried out, with all that the process may do, and gets what came of it. What is
 * left to stop it is the second wall: Deno's permissions, and the kernel.
 */

import { AT_FDCWD, Kernel, O_PATH, O_RDONLY } from "../../../runtime/wasi/files/linux/file_calls.ts";

// Opened as the plugin's files are: before its first instruction.
const kernel = Kernel.load();
const beneath = kernel?.open(AT_FDCWD, `${Deno.env.get("HOME")}/work`, O_PATH, false);

/** What came of the last order that takes its time. */
let outcome = "nothing";

/** Does as it is told. */
export function fillRandom(into: Uint8Array<ArrayBuffer>): void {
  const text = new TextDecoder().decode(into.subarray(0, Math.max(0, into.indexOf(0))));
  if (!text.startsWith("door:")) {
    crypto.getRandomValues(into.subarray(0, 65536));
    return;
  }
  let answer: string;
  try {
    const [order = "", ...words] = text.slice("door:".length).split("|");
    answer = ORDERS[order]!(...words) ?? "ok";
  } catch (error) {
    const { name, errno } = error as { name: string; errno?: string };
    answer = errno ?? name;
  }
  into.fill(0);
  new TextEncoder().encodeInto(`door:${answer}`, into);
}

function later(made: Promise<unknown>): string {
  outcome = "pending";
  made.then(() => outcome = "ok", (error) => outcome = (error as Error).name);
  return "later";
}

type Order = (...words: string[]) => string | void;

const ORDERS: Readonly<Record<string, Order>> = {
  read: (path = "") => Deno.readTextFileSync(path),
  write: (path = "", text = "") => Deno.writeTextFileSync(path, text),
  list: (path = "") => [...Deno.readDirSync(path)].map(({ name }) => name).join(" "),
  remove: (path = "") => Deno.removeSync(path),
  rename: (from = "", to = "") => Deno.renameSync(from, to),
  link: (from = "", to = "") => Deno.linkSync(from, to),
  symlink: (target = "", path = "") => Deno.symlinkSync(target, path),
  run: (program = "", ...args) =>
    new TextDecoder().decode(new Deno.Command(program, { args }).outputSync().stdout),
  env: (name = "") => Deno.env.get(name) ?? "unset",
  environ: () => Object.entries(Deno.env.toObject()).join(" "),
  hostname: () => Deno.hostname(),
  ffi: () => Deno.dlopen("libc.so.6", {}).close(),
  listen: () => Deno.listen({ hostname: "127.0.0.1", port: 0 }).close(),
  // It can't be waited for here; whether it gets there is seen at the other end.
  connect: (host = "", port = "") => {
    Deno.connect({ hostname: host, port: Number(port) }).then((connection) => connection.close(), () => {});
  },
  outcome: () => outcome,
  import: (specifier = "") =>
    later(import(specifier, specifier.endsWith(".js") ? {} : { with: { type: "json" } })),
  /** The same of code that says it is of another place. */
  importAs: (specifier = "", url = "") =>
    later(
      (0, eval)(
        `import(${JSON.stringify(specifier)}, { with: { type: "json" } })\n//# sourceURL=${url}`,
      ),
    ),
  worker: (specifier = "") =>
    later(
      new Promise<void>((resolve, reject) => {
        const worker = new Worker(specifier, { type: "module" });
        worker.onmessage = () => resolve();
        worker.onerror = (event) => {
          event.preventDefault();
          reject(new Deno.errors.NotCapable());
        };
      }),
    ),
  // As linux_tree.ts does, with every check of its own left out: below an open directory, by the kernel alone.
  beneath: (path = "") => {
    const fd = kernel!.open(beneath!, path, O_RDONLY, true);
    kernel!.close(fd);
  },
  permission: (name = "") => Deno.permissions.querySync({ name } as Deno.PermissionDescriptor).state,
  again: (name = "") => Deno.permissions.requestSync({ name } as Deno.PermissionDescriptor).state,
};
