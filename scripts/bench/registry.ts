/**
 * Measures `pull` beside `skopeo copy`, from a docker-registry on loopback: time and peak memory for plugins of 5, 50 and
 * 500 MB, and the cost of verifying a keyless signature.
 */

import { makeArtifact } from "../../registry/oci/artifact.ts";
import { RegistryClient } from "../../registry/oci/registry_client.ts";
import { pushBlob, pushManifest } from "../../registry/oci/push_artifact.ts";
import { parseReference } from "../../registry/oci/mirrored_reference.ts";
import { pushBundle } from "../../registry/signing/sign_artifact.ts";
import { DockerRegistry, registryMissing, skopeoMissing } from "../../tests/support/docker_registry.ts";
import { IDENTITY, ISSUED_BY, TestSigstore } from "../../tests/support/sigstore.ts";

/** A row of docs/benchmarks.md. */
export type Row = [what: string, ours: string, baseline: string, ratio: string, goal: string];

// A program that does nothing, with data that no run uses. The compiler keeps data, and removes custom sections.
const PROGRAM = Uint8Array.fromBase64("AGFzbQEAAAABBAFgAAADAgEABQMBAAEHEwIGbWVtb3J5AgAGX3N0YXJ0AAAKBAECAAs=");
const SIZES = [5, 50, 500];

/** Measures the binary at `binary`, in the empty directory `work`. */
export async function benchRegistry(binary: string, work: string, runs: number): Promise<Row[]> {
  if (registryMissing || skopeoMissing) return [];
  const rows: Row[] = [];
  await using registry = await DockerRegistry.start();
  const client = new RegistryClient({ credentials: () => Promise.resolve(undefined) });
  const env = { HOME: work, KREW_WASM_ROOT: `${work}/store`, PATH: Deno.env.get("PATH") ?? "" };
  const reset = async () => {
    for (const path of [`${work}/store`, `${work}/copy`]) {
      await Deno.remove(path, { recursive: true }).catch(() => {});
    }
  };
  for (const size of SIZES) {
    const reference = await push(client, registry.host, `plugin-${size}`, size * 1_000_000);
    const ours: Cost[] = [];
    const theirs: Cost[] = [];
    for (let run = 0; run < Math.max(3, Math.min(runs, size > 100 ? 3 : 9)); run++) {
      await reset();
      ours.push(await cost([binary, "pull", "-q", reference], env));
      const copy = ["skopeo", "copy", "-q", "--insecure-policy", "--src-tls-verify=false"];
      theirs.push(await cost([...copy, `docker://${reference}`, `dir:${work}/copy`], env));
    }
    await reset();
    const [time, baseline] = [median(ours.map((one) => one.ms)), median(theirs.map((one) => one.ms))];
    const [memory, least] = [median(ours.map((one) => one.mb)), median(theirs.map((one) => one.mb))];
    rows.push([
      `pull of ${size} MB from a registry on loopback`,
      `${time.toFixed(0)} ms`,
      `${baseline.toFixed(0)} ms (skopeo copy)`,
      (time / baseline).toFixed(2),
      "1.2",
    ], [
      `… its peak memory`,
      `${memory.toFixed(0)} MB`,
      `${least.toFixed(0)} MB (skopeo copy)`,
      (memory / least).toFixed(2),
      "flat",
    ]);
  }
  rows.push(await benchVerification(binary, client, registry.host, env, runs));
  await reset();
  return rows;
}

/** The cost of a keyless signature for the pull of a small plugin. */
async function benchVerification(
  binary: string,
  client: RegistryClient,
  host: string,
  env: Record<string, string>,
  runs: number,
): Promise<Row> {
  const pinned = await push(client, host, "signed", 1000);
  const reference = parseReference(pinned);
  const manifest = await client.fetchManifest(reference);
  const sigstore = await TestSigstore.make();
  const described = { digest: manifest.digest, size: manifest.text.length };
  const bundle = JSON.stringify(await sigstore.bundle(manifest.digest));
  await pushBundle(client, { ...reference, tag: undefined }, described, bundle, new Date());
  await Deno.writeTextFile(`${env.HOME}/root.json`, sigstore.trustRoot);
  const pull = [binary, "pull", "-qf", pinned];
  const verify = [`--verify=${IDENTITY}@${ISSUED_BY}`, `--trust-root=${env.HOME}/root.json`];
  const without: number[] = [];
  const along: number[] = [];
  for (let run = 0; run < Math.max(5, runs); run++) {
    without.push((await cost(pull, env)).ms);
    along.push((await cost([...pull, ...verify], env)).ms);
  }
  const added = median(along) - median(without);
  return [
    "a keyless signature, verified: added to a pull",
    `${added.toFixed(0)} ms`,
    `${median(without).toFixed(0)} ms (pull without)`,
    "",
    "50 ms",
  ];
}

async function push(client: RegistryClient, host: string, name: string, size: number): Promise<string> {
  const wasm = makeWithData(size);
  const text = `${host}/bench/${name}:v1`;
  const reference = parseReference(text);
  const artifact = makeArtifact(wasm, { annotations: {}, title: `${name}.wasm`, created: new Date(0) });
  await pushBlob(client, reference, artifact.layer);
  await pushBlob(client, reference, artifact.config);
  await pushManifest(client, reference, artifact.manifest, artifact.mediaType);
  return text;
}

/** A module of about this size, with a passive data segment of random bytes. */
export function makeWithData(size: number): Uint8Array<ArrayBuffer> {
  const leb128 = (value: number) =>
    [0, 7, 14, 21, 28].map((shift, index) => (value >>> shift & 0x7f) | (index < 4 ? 0x80 : 0));
  const data = Math.max(0, size - PROGRAM.length - 13);
  const head = [...PROGRAM, 11, ...leb128(data + 7), 1, 1, ...leb128(data)];
  const wasm = new Uint8Array(head.length + data);
  wasm.set(head);
  for (let at = head.length; at < wasm.length; at += 65536) {
    crypto.getRandomValues(wasm.subarray(at, Math.min(at + 65536, wasm.length)));
  }
  return wasm;
}

interface Cost {
  readonly ms: number;
  /** Peak resident memory. */
  readonly mb: number;
}

/** Runs a command. Polls the kernel for its peak memory. */
async function cost(command: readonly string[], env: Record<string, string>): Promise<Cost> {
  const [program = "", ...args] = command;
  const started = performance.now();
  const child = new Deno.Command(program, { args, env, stdin: "null", stdout: "null", stderr: "piped" })
    .spawn();
  let peak = 0;
  const look = setInterval(() => {
    try {
      const status = Deno.readTextFileSync(`/proc/${child.pid}/status`);
      peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
    } catch { /* the process has ended, or this is not Linux */ }
  }, 10);
  const { success, stderr } = await child.output();
  const ms = performance.now() - started;
  clearInterval(look);
  if (!success) throw new Error(`${command.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return { ms, mb: peak / 1000 };
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
}
