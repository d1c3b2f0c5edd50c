/** A plugin in a registry that runs without being installed: fetched, verified, and cached by its digest. */

import { fetchBytes, readStored } from "../../registry/oci/inspect_artifact.ts";
import { parseManifest } from "../../registry/oci/manifest.ts";
import { formatReference, parseReference } from "../../registry/oci/mirrored_reference.ts";
import { registrySignatures } from "../../registry/signing/find_signatures.ts";
import { replaceFileAt } from "../../registry/store/replace_file.ts";
import { defaultPluginName } from "../../runtime/base/names.ts";
import { printable } from "../../runtime/base/text.ts";
import type { GrantChange, Grants } from "../../runtime/grants/grants.ts";
import type { Provenance } from "../../runtime/policy/provenance.ts";
import { homeDirectory } from "../../runtime/store/layout.ts";
import type { Context } from "../context.ts";
import { decideGrants } from "../grants/wished_grants.ts";
import { readPolicies } from "../policies.ts";
import { openProgress, openRegistry } from "./open_registry.ts";
import { readSignatureRules, verification } from "./required_signatures.ts";

/** A verified program. */
export interface RemoteProgram {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly provenance: Provenance & { readonly digest: string };
  /** The grants that its publisher asks for and the user agreed to, and those of the command line. */
  readonly grants: Grants;
}

/** Options of {@linkcode fetchProgram}, from the command line. */
export interface FetchProgramOptions {
  readonly flags: GrantChange;
  readonly prompt: boolean;
  readonly plainHttp?: boolean | undefined;
  readonly verify?: readonly string[] | undefined;
  readonly trustRoot?: string | undefined;
}

/**
 * Whether an argument of `krew-wasm run` is a reference: it begins with `oci://` or a host, or has a tag or a digest, and no
 * such file exists.
 */
export function isRemote(text: string, exists: (path: string) => boolean): boolean {
  if (text.startsWith("oci://")) return true;
  if (/^(?:[./~\\]|[A-Za-z]:[\\/])/.test(text) || text.endsWith(".wasm") || !text.includes("/")) return false;
  const host = text.split("/", 1)[0]!;
  const named = /[.:]/.test(host) || host === "localhost" || /[:@][^/]*$/.test(text);
  return named && !exists(text);
}

/** Fetches a plugin by its reference. @throws AppError REGISTRY_…, SIGNATURE_…, POLICY_…, USAGE */
export async function fetchProgram(
  context: Context,
  text: string,
  options: FetchProgramOptions,
): Promise<RemoteProgram> {
  const reference = parseReference(text.replace(/^oci:\/\//, ""));
  const shown = formatReference(reference);
  const policies = await readPolicies(context);
  const progress = openProgress(context, false);
  const client = openRegistry(context, options, progress);
  const rules = await readSignatureRules(context, policies, options);
  const verify = await verification(rules, registrySignatures(client), reference, []);
  progress.wait(`Waiting for ${reference.registry}`);
  const manifest = await client.fetchManifest(reference, "run").finally(progress.end);
  const plugin = parseManifest(manifest.text, printable(shown, 400), "run");
  const signatures = await verify(reference, manifest);
  const provenance = {
    reference: shown,
    source: manifest.source ?? { kind: "registry" as const },
    signatures,
    digest: plugin.digest,
    manifestDigest: manifest.digest,
  };
  const name = defaultPluginName(reference.repository);
  const layout = context.layout();
  const grants = await decideGrants(context, {
    layout,
    policy: policies.administrator,
    mode: undefined,
    flags: options.flags,
    prompt: options.prompt,
    grantCommand: (flags) => ["krew-wasm", "run", ...flags, shown],
  })({ ...provenance, annotations: plugin.annotations }, undefined);
  const cached = cachePath(context, plugin.digest);
  const known = readStored(layout.blob(plugin.digest), plugin) ??
    (cached === undefined ? undefined : readStored(cached, plugin));
  const bytes = known ??
    await fetchBytes(client, reference, plugin, progress.show, "run").finally(progress.end);
  if (cached !== undefined && !known) await keep(cached, bytes);
  return { name, bytes, provenance, grants };
}

/** Where the cache keeps a blob. The reader checks its digest, so nobody can put another program there. */
function cachePath({ env }: Context, digest: string): string | undefined {
  const set = env("XDG_CACHE_HOME");
  const cache = set?.startsWith("/") ? set : `${homeDirectory(env)}/.cache`;
  return `${cache}/krew-wasm/${digest.replace(":", "-")}`;
}

/** A program that was not fetched for this long leaves the cache. Milliseconds. */
const KEPT = 30 * 86_400_000;

/** Caches bytes, and removes old ones. A cache that cannot be written is no error. */
async function keep(path: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  try {
    const directory = path.slice(0, path.lastIndexOf("/"));
    Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
    for (const { name, isFile } of Deno.readDirSync(directory)) {
      if (!isFile || !/^sha256-[0-9a-f]{64}$/.test(name)) continue;
      const { mtime } = Deno.lstatSync(`${directory}/${name}`);
      if (mtime && Date.now() - mtime.getTime() > KEPT) Deno.removeSync(`${directory}/${name}`);
    }
    await replaceFileAt(path, { mode: 0o600 }, (write) => write(bytes));
  } catch { /* the next run fetches it again */ }
}
