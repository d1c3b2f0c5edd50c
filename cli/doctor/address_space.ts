/** How much address space the process may take (`ulimit -v`), of which V8 reserves more than most limits leave. */

import type { Finding } from "../../registry/fleet/store_checks.ts";

/**
 * With less, V8 may end the process before krew-wasm's first line: it reserves 32 GiB of addresses, which cost no memory,
 * where chance leads it. Measured with Deno 2.6: up to 33 GiB it always does, up to 45 GiB sometimes. Bytes.
 */
const ENOUGH = 64 * 2 ** 30;

/** A warning where the limit is low; nothing otherwise. */
export function examineAddressSpace(): Finding[] {
  const limit = readLimit();
  if (limit >= ENOUGH) return [];
  const size = Math.floor(limit / 2 ** 30);
  return [{
    check: "address space",
    level: "warning",
    message:
      `"ulimit -v" is ${size} GiB: with less than 64 GiB V8 may end a command with "Oilpan: CagedHeap reservation"`,
    fix: "ulimit -v unlimited; bound memory with --max-memory, or a cgroup",
  }];
}

/** The limit of this process, which a child has too: Deno itself does not tell. Infinity where there is none. Bytes. */
function readLimit(): number {
  if (Deno.build.os === "windows") return Infinity;
  try {
    const { stdout } = new Deno.Command("/bin/sh", { args: ["-c", "ulimit -v"], stderr: "null" })
      .outputSync();
    const kibibytes = new TextDecoder().decode(stdout).trim();
    return /^\d+$/.test(kibibytes) ? Number(kibibytes) * 1024 : Infinity;
  } catch {
    return Infinity;
  }
}
