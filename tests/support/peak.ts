/** Measures a program's peak memory with Python's resource module. */

import { findProgram, missing } from "./programs.ts";

/** Whether to skip tests that measure memory. */
export function peakMissing(): boolean {
  const present = Deno.build.os !== "windows" && findProgram("python3") !== undefined;
  return missing("python3, for what memory a program takes", present, "apt install python3");
}

// stdin has a number of zero bytes. The reader of stdout waits before it begins.
const SCRIPT = `import resource, subprocess, sys
source = subprocess.Popen(["head", "-c", sys.argv[1], "/dev/zero"], stdout=subprocess.PIPE)
sink = subprocess.Popen(["sh", "-c", "sleep 1; cat > /dev/null"], stdin=subprocess.PIPE)
code = subprocess.run(sys.argv[2:], stdin=source.stdout, stdout=sink.stdin).returncode
source.stdout.close()
sink.stdin.close()
sink.wait()
source.wait()
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)`;

/** Runs a program with `bytes` of stdin. Returns its exit code and peak memory in MiB. */
export async function peakOf(
  command: readonly string[],
  options: { bytes?: number; env: Record<string, string>; cwd: string },
): Promise<{ code: number; peak: number }> {
  const { stdout, stderr, success } = await new Deno.Command("python3", {
    args: ["-c", SCRIPT, String(options.bytes ?? 0), ...command],
    env: options.env,
    cwd: options.cwd,
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  const [code = NaN, kib = NaN] = new TextDecoder().decode(stdout).trim().split(" ").map(Number);
  return { code, peak: kib / 1024 };
}
