/**
 * Records the code cache (scripts/bundle/code_cache.ts). Runs the most frequent commands with a copy of the binary that
 * prints what V8 has compiled, in its own HOME, with a registry and an API server on loopback.
 */

import { makeArtifact, push } from "../servers/artifacts.ts";
import { TestApiServer } from "../servers/api_server.ts";
import { TestRegistry } from "../servers/oci_registry.ts";
import { recordedIn } from "./code_cache.ts";

/**
 * A plugin that uses what most plugins use: arguments, environment, clocks, random numbers and files. With `cluster` it
 * also sends one request to the API server.
 */
function plugin(cluster: boolean): string {
  const preview1 = (name: string, params: string) =>
    `(import "wasi_snapshot_preview1" "${name}" (func $${name} (param ${params}) (result i32)))`;
  return `(module
  ${preview1("args_sizes_get", "i32 i32")} ${preview1("args_get", "i32 i32")}
  ${preview1("environ_sizes_get", "i32 i32")} ${preview1("environ_get", "i32 i32")}
  ${preview1("clock_time_get", "i32 i64 i32")} ${preview1("random_get", "i32 i32")}
  ${preview1("fd_prestat_get", "i32 i32")} ${preview1("fd_prestat_dir_name", "i32 i32 i32")}
  ${preview1("fd_fdstat_get", "i32 i32")} ${preview1("fd_filestat_get", "i32 i32")}
  ${preview1("fd_read", "i32 i32 i32 i32")} ${preview1("fd_write", "i32 i32 i32 i32")}
  ${preview1("fd_seek", "i32 i64 i32 i32")} ${preview1("fd_readdir", "i32 i32 i32 i64 i32")}
  ${preview1("fd_close", "i32")} ${preview1("path_filestat_get", "i32 i32 i32 i32 i32")}
  ${preview1("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32")} ${
    preview1("path_unlink_file", "i32 i32 i32")
  }
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  ${
    cluster
      ? `(import "krew_wasm_kubernetes" "request"
    (func $request (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "krew_wasm_kubernetes" "head" (func $head (param i32 i32 i32 i32) (result i32)))`
      : ""
  }
  (memory (export "memory") 2)
  (data (i32.const 0) "recorded\\nGET/version")
  (data (i32.const 32) "\\00\\00\\00\\00\\09\\00\\00\\00")
  (data (i32.const 48) "\\00\\10\\00\\00\\00\\10\\00\\00")
  (func $files (param $directory i32) (local $fd i32)
    (drop (call $fd_readdir (local.get $directory) (i32.const 4096) (i32.const 4096) (i64.const 0) (i32.const 64)))
    (if (call $path_open (local.get $directory) (i32.const 1) (i32.const 0) (i32.const 8) (i32.const 1)
        (i64.const -1) (i64.const -1) (i32.const 0) (i32.const 64)) (then (return)))
    (local.set $fd (i32.load (i32.const 64)))
    (drop (call $fd_write (local.get $fd) (i32.const 32) (i32.const 1) (i32.const 64)))
    (drop (call $fd_seek (local.get $fd) (i64.const 0) (i32.const 0) (i32.const 72)))
    (drop (call $fd_read (local.get $fd) (i32.const 48) (i32.const 1) (i32.const 64)))
    (drop (call $fd_filestat_get (local.get $fd) (i32.const 4096)))
    (drop (call $fd_close (local.get $fd)))
    (drop (call $path_filestat_get (local.get $directory) (i32.const 1) (i32.const 0) (i32.const 8) (i32.const 4096)))
    (drop (call $path_unlink_file (local.get $directory) (i32.const 0) (i32.const 8))))
  (func (export "_start") (local $fd i32)
    (drop (call $args_sizes_get (i32.const 64) (i32.const 68)))
    (drop (call $args_get (i32.const 4096) (i32.const 8192)))
    (drop (call $environ_sizes_get (i32.const 64) (i32.const 68)))
    (drop (call $environ_get (i32.const 4096) (i32.const 65536)))
    (drop (call $clock_time_get (i32.const 0) (i64.const 1) (i32.const 72)))
    (drop (call $clock_time_get (i32.const 1) (i64.const 1) (i32.const 72)))
    (drop (call $random_get (i32.const 4096) (i32.const 16)))
    (drop (call $fd_fdstat_get (i32.const 1) (i32.const 4096)))
    (local.set $fd (i32.const 3))
    (loop $next
      (if (i32.eqz (call $fd_prestat_get (local.get $fd) (i32.const 64)))
        (then
          (drop (call $fd_prestat_dir_name (local.get $fd) (i32.const 4096) (i32.load (i32.const 68))))
          (drop (call $fd_fdstat_get (local.get $fd) (i32.const 4096)))
          (call $files (local.get $fd))
          (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
          (br $next))))
    ${
    cluster
      ? `(if (call $request (i32.const 9) (i32.const 3) (i32.const 12) (i32.const 8) (i32.const 0) (i32.const 0)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64)) (then (call $proc_exit (i32.const 3))))
    (local.set $fd (i32.load (i32.const 64)))
    (if (call $head (local.get $fd) (i32.const 4096) (i32.const 4096) (i32.const 64))
      (then (call $proc_exit (i32.const 4))))
    (loop $more
      (if (call $fd_read (local.get $fd) (i32.const 48) (i32.const 1) (i32.const 64))
        (then (call $proc_exit (i32.const 5))))
      (br_if $more (i32.load (i32.const 64))))
    (drop (call $fd_close (local.get $fd)))`
      : ""
  }
    (drop (call $fd_write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 64)))))`;
}

/** Grants of a plugin with restrictions. */
const RULES: readonly string[] = [
  "--allow-cluster=get,list,watch:pods,deployments.apps@default",
  "--allow-cluster=get:/version",
  "--deny-cluster=get,list,watch:secrets",
  "--allow-read=/usr",
  "--deny-read=/usr/share/doc",
  "--deny-env=EDITOR",
];

/** Timeout for a command in milliseconds. If a command hangs, the binary is built without a code cache. */
const PATIENCE = 120_000;

/** The plugins, by name. */
async function plugins(adapter: string): Promise<Map<string, Uint8Array>> {
  const { componentNew, parse } = await import("@bytecodealliance/jco-transpile/wasm-tools");
  const files = (await parse(plugin(false))).slice();
  return new Map([
    ["files", files],
    ["cluster", (await parse(plugin(true))).slice()],
    ["component", await componentNew(files, [["wasi_snapshot_preview1", await Deno.readFile(adapter)]])],
  ]);
}

/**
 * Records the code cache.
 *
 * @param binary the recording copy
 * @param caches its directory for caches, empty
 * @param work an empty directory
 * @param adapter the file of the preview1 adapter
 * @returns the code caches, base64, by file
 * @throws Error when a command fails, or when V8 rejects its own cache
 */
export async function recordCodeCaches(
  binary: string,
  caches: string,
  work: string,
  adapter: string,
): Promise<Map<string, string>> {
  await using registry = TestRegistry.start();
  await using api = await TestApiServer.start();
  await Deno.mkdir(`${work}/.kube`);
  const kubeconfig = JSON.parse(api.kubeconfig());
  const { cert, key } = await api.authority.issue({ commonName: "certified" });
  const user = { token: api.token, "client-certificate-data": btoa(cert), "client-key-data": btoa(key) };
  kubeconfig.users.push({ name: "certified", user });
  await Deno.writeTextFile(`${work}/.kube/config`, JSON.stringify(kubeconfig));
  const found = new Map<string, string>();
  const record = async (program: string, ...args: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command(program, {
      args,
      env: { HOME: work, PATH: Deno.env.get("PATH") ?? "" },
      clearEnv: true,
      cwd: work,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      signal: AbortSignal.timeout(PATIENCE),
    }).output();
    const text = new TextDecoder().decode(stderr);
    const recorded = recordedIn(text);
    if (code !== 0 || recorded.length === 0 || recorded.some(({ taken }) => taken === false)) {
      const told = `${new TextDecoder().decode(stdout)}${text}`.slice(0, 2000);
      throw new Error(`A code cache can't be made: ${program} ${args.join(" ")} ended with ${code}: ${told}`);
    }
    for (const { file, cache } of recorded) {
      await Deno.writeFile(`${caches}/${file}`, cache);
      found.set(file, cache.toBase64());
    }
  };
  await record(binary, "version");
  for (const [name, wasm] of await plugins(adapter)) {
    await push(registry.origin, `recorded/${name}`, "v1", makeArtifact(new Uint8Array(wasm)));
    await record(binary, "pull", `${registry.host}/recorded/${name}:v1`);
    await record(`${work}/.krew-wasm/bin/kubectl-${name}`);
  }
  const ruled = `${registry.host}/recorded/cluster:v1`;
  await record(binary, "pull", "--name=ruled", ...RULES, ruled);
  await record(`${work}/.krew-wasm/bin/kubectl-ruled`);
  await record(`${work}/.krew-wasm/bin/kubectl-cluster`, "--user=certified");
  await record(binary, "list");
  // Run everything again with all caches.
  for (const name of ["files", "cluster", "component"]) {
    await record(`${work}/.krew-wasm/bin/kubectl-${name}`);
  }
  return found;
}
