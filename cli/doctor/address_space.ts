/** Checks the limit of address space (`ulimit -v`). V8 reserves more than most limits leave. */

import type { Finding } from "../../registry/fleet/findings.ts";

/**
 * With less, V8 may end the process before krew-wasm's first line. V8 reserves 32 GiB of addresses (not memory) at a
 * random place. Measured with Deno 2.6: it always fails up to 33 GiB, and sometimes up to 45 GiB. Bytes.
 */
const ENOUGH = 64 * 2 ** 30;

/** Returns a warning if the limit is low. */
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

/** The limit of this process in bytes, or Infinity. Asks a child process, which inherits it, because Deno has no API. */
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
