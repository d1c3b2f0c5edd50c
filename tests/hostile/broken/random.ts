/**
 * Replaces runtime/wasi/random_bytes.ts in a test build: a broken sandbox. A plugin that asks for random bytes, with an
 * order in the buffer, has it carried out with all rights of the process, and gets the outcome. Only the second wall can
 * stop it: Deno's permissions.
 */

import { AT_FDCWD, O_PATH, O_RDONLY } from "../../../runtime/wasi/files/linux/call_numbers.ts";
import { Kernel } from "../../../runtime/wasi/files/linux/file_calls.ts";

// Opened like the plugin's files: before its first instruction.
const kernel = Kernel.load();
const beneath = kernel?.open(AT_FDCWD, `${Deno.env.get("HOME")}/work`, O_PATH, false);

/** The outcome of the last order that finishes later. */
let outcome = "nothing";

/** Carries out the order. */
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
  // The order cannot wait for the connection. The other end shows whether it arrives.
  connect: (host = "", port = "") => {
    Deno.connect({ hostname: host, port: Number(port) }).then((connection) => connection.close(), () => {});
  },
  outcome: () => outcome,
  import: (specifier = "") =>
    later(import(specifier, specifier.endsWith(".js") ? {} : { with: { type: "json" } })),
  /** Imports as code that claims another origin. */
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
  // Like linux_tree.ts, but without its checks: only the kernel keeps the path below an open directory.
  beneath: (path = "") => {
    const fd = kernel!.open(beneath!, path, O_RDONLY, true);
    kernel!.close(fd);
  },
  permission: (name = "") => Deno.permissions.querySync({ name } as Deno.PermissionDescriptor).state,
  again: (name = "") => Deno.permissions.requestSync({ name } as Deno.PermissionDescriptor).state,
};
