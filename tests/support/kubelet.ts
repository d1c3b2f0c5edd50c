/** A SPDY server behind the API server's port-forward tunnel: a small Go program with the kubelet's own library. */

import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** Builds and starts it. Needs Go. */
export async function startKubelet(): Promise<{ port: number } & AsyncDisposable> {
  const program = `${root}build/testkubelet`;
  const built = await new Deno.Command("go", {
    args: ["build", "-C", "examples/pods-go", "-o", program, "./testkubelet"],
    cwd: root,
  }).output();
  if (!built.success) throw new Error(new TextDecoder().decode(built.stderr));
  const child = new Deno.Command(program, { stdin: "null", stdout: "piped", stderr: "inherit" }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let line = "";
  while (!line.includes("\n")) line += (await reader.read()).value ?? "\n";
  return {
    port: Number(line),
    async [Symbol.asyncDispose]() {
      child.kill();
      await child.status;
      await reader.cancel();
    },
  };
}
