/** Checks outside of the store: PATH, kubectl, registries, the cluster. */

import { environment } from "../../runtime/base/environment.ts";
import { NO_REGISTRY } from "../../runtime/base/reference.ts";
import type { Finding } from "../../registry/fleet/findings.ts";
import { linkFileName } from "../../registry/store/links.ts";
import { parseReference } from "../../registry/oci/mirrored_reference.ts";
import type { RegistryClient } from "../../registry/oci/registry_client.ts";
import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { exists, hostPath } from "../../runtime/base/host_path.ts";
import { KUBECTL_COMMANDS } from "../../runtime/base/names.ts";
import type { Policy } from "../../runtime/policy/policy.ts";
import { startProgram } from "../../runtime/base/program_path.ts";
import { homeDirectory, type Layout } from "../../runtime/store/layout.ts";
import type { Receipt } from "../../runtime/store/receipt.ts";
import { printable } from "../../runtime/base/text.ts";
import { pathHint } from "../install/report_installed.ts";
import { judge } from "../../runtime/policy/verdict.ts";
import type { Context } from "../context.ts";
import { allOf } from "../each_plugin.ts";
import { shadowOf } from "../install/on_path.ts";
import { type Policies, readPolicies } from "../policies.ts";

/** Timeout for a registry, a cluster or kubectl. Milliseconds. */
const PATIENCE = 10_000;

/** Checks that the policies can be read and let the plugins run. Returns nothing without policies. */
export async function examinePolicy(context: Context, receipts: readonly Receipt[]): Promise<Finding[]> {
  let policies: Policies;
  try {
    policies = await readPolicies(context);
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    return [{ check: "policy", level: "error", message: error.message, fix: error.hint }];
  }
  return (await Promise.all(policies.all.map((policy) => examineOne(policy, receipts)))).flat();
}

async function examineOne(policy: Policy, receipts: readonly Receipt[]): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const receipt of receipts) {
    const refused = await whyRefused(policy, receipt);
    if (!refused) continue;
    findings.push({
      check: "policy",
      level: "error",
      message: `"${receipt.name}" does not run: ${refused.message}`,
      fix: refused.hint,
    });
  }
  if (findings.length > 0) return findings;
  return [{ check: "policy", level: "ok", message: `${policy.path} lets all plugins run` }];
}

/** The reason why a policy refuses a plugin, or undefined. */
export async function whyRefused(policy: Policy, receipt: Receipt): Promise<AppError | undefined> {
  try {
    return (await judge(policy, receipt)).refused;
  } catch (error) {
    if (error instanceof AppError) return error; // such as a key file that was removed
    throw error;
  }
}

/** Plugins that a policy refuses because of missing information. They may run after another pull. */
export async function curable(context: Context, receipts: readonly Receipt[]): Promise<Receipt[]> {
  const found = new Set<Receipt>();
  const policies = await readPolicies(context).catch(() => undefined);
  for (const policy of policies?.all ?? []) {
    for (const receipt of receipts) {
      const verdict = await judge(policy, receipt).catch(() => undefined);
      if (verdict?.isCurable) found.add(receipt);
    }
  }
  return [...found];
}

/** Checks that kubectl finds the plugins, and no other file of the same name first. */
export function examinePath(context: Context, layout: Layout, receipts: readonly Receipt[]): Finding[] {
  if (receipts.length === 0) return [];
  const hint = pathHint(layout.bin, context.env);
  if (hint !== undefined) {
    return [{
      check: "PATH",
      level: "error",
      message: `${layout.bin} is not on PATH: kubectl does not find the plugins`,
      fix: hint.trim().split("\n").at(-1)!.trim(),
    }];
  }
  const shadowed = receipts.flatMap(({ name }): Finding[] => {
    const other = shadowOf(context, layout, name);
    if (other === undefined) return [];
    return [{
      check: "PATH",
      level: "warning",
      message: `"${name}" is shadowed by ${other}, which comes first on PATH`,
      fix: `put ${layout.bin} first on PATH, or krew-wasm pull REF --name ANOTHER`,
    }];
  });
  const own = receipts.filter(({ name }) => KUBECTL_COMMANDS.has(name)).map(({ name }): Finding => ({
    check: "PATH",
    level: "warning",
    message: `"${name}" is a command of kubectl itself, which calls that`,
    fix: `krew-wasm pull REF --name ANOTHER; krew-wasm rm ${name}`,
  }));
  const findings = [...shadowed, ...own];
  return findings.length > 0
    ? findings
    : [{ check: "PATH", level: "ok", message: `${layout.bin} is on PATH, and nothing shadows a plugin` }];
}

/** Checks kubectl's version, and that kubectl lists the plugins. */
export async function examineKubectl(layout: Layout, receipts: readonly Receipt[]): Promise<Finding[]> {
  const check = "kubectl";
  const silent: Finding = {
    check,
    level: "warning",
    message: `kubectl does not answer within ${PATIENCE / 1000} s`,
    fix: "kubectl version --client says why",
  };
  const version = await run(["version", "--client", "-o", "json"]);
  if (version === undefined) {
    return [{ check, level: "warning", message: "kubectl is not on PATH", fix: "install kubectl" }];
  }
  if (version === TOO_SLOW) return [silent];
  let text = "an unknown version";
  try {
    const { clientVersion } = JSON.parse(version) as { clientVersion?: { gitVersion?: unknown } };
    if (typeof clientVersion?.gitVersion === "string") text = printable(clientVersion.gitVersion, 60);
  } catch { /* not JSON: the version stays unknown */ }
  const [, major = "", minor = ""] = /^v(\d+)\.(\d+)/.exec(text) ?? [];
  if (Number(major) === 1 && Number(minor) < 12) {
    return [{
      check,
      level: "error",
      message: `kubectl ${text} does not know plugins`,
      fix: "install kubectl 1.12 or newer",
    }];
  }
  const list = await run(["plugin", "list"]);
  if (list === TOO_SLOW) return [silent];
  const listed = new Set((list ?? "").split("\n").map((line) => hostPath(line.trim())));
  const lost = receipts.filter(({ name }) =>
    !listed.has(`${layout.bin}/${linkFileName(name)}`) && exists(layout.receipt(name)) // skip a plugin removed meanwhile
  );
  if (lost.length > 0) {
    return [{
      check,
      level: "warning",
      message: `kubectl ${text} does not find ${lost.slice(0, 5).map(({ name }) => `"${name}"`).join(", ")}${
        lost.length > 5 ? ` and ${lost.length - 5} more` : ""
      }`,
      fix: "kubectl plugin list says why",
    }];
  }
  return [{
    check,
    level: "ok",
    message: `kubectl ${text}${receipts.length > 0 ? " finds all plugins" : ""}`,
  }];
}

const TOO_SLOW = Symbol("too slow");

/** kubectl's output, or undefined without kubectl. */
async function run(args: string[]): Promise<string | typeof TOO_SLOW | undefined> {
  const signal = AbortSignal.timeout(PATIENCE);
  try {
    const { stdout } = await startProgram("kubectl", {
      args,
      stdin: "null",
      stdout: "piped",
      stderr: "null",
      signal,
    }).output();
    return signal.aborted ? TOO_SLOW : new TextDecoder().decode(stdout);
  } catch {
    return signal.aborted ? TOO_SLOW : undefined;
  }
}

/** Checks with one request each that the plugins' registries answer. */
export async function examineRegistries(
  client: RegistryClient,
  receipts: readonly Receipt[],
): Promise<Finding[]> {
  const byHost = new Map<string, Receipt>();
  for (const receipt of receipts) {
    try {
      const { registry } = parseReference(receipt.reference);
      if (registry !== NO_REGISTRY && !byHost.has(registry)) byHost.set(registry, receipt);
    } catch { /* a reference that only a bundle has */ }
  }
  return await allOf([...byHost], 8, async ([registry, receipt]): Promise<Finding> => {
    const check = "registry";
    try {
      await withPatience(client.fetchManifest(parseReference(receipt.reference), "check"));
      return { check, level: "ok", message: `${registry} answers` };
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      if (error.code === "REGISTRY_NOT_FOUND") return { check, level: "ok", message: `${registry} answers` };
      return { check, level: "warning", message: error.message, fix: error.hint };
    }
  });
}

/** Checks that a context's cluster answers, on the same path as a plugin's request. Default: the current context. */
export async function examineCluster(context: Context, kubeContext?: string): Promise<Finding[]> {
  const check = "cluster";
  const { openCluster } = await import("../../runtime/kube/open_cluster.ts");
  const access = openCluster({
    env: environment(),
    args: kubeContext === undefined ? [] : [`--context=${kubeContext}`],
    home: homeDirectory(context.env),
    cwd: context.cwd(),
    trace: (line) => {
      if (context.verbose) context.stderr(`krew-wasm: ${printable(line, 2000)}\n`);
    },
  });
  try {
    const cluster = await access.cluster();
    const response = await withPatience(
      cluster.send({ method: "GET", url: "/version", headers: [], signal: AbortSignal.timeout(PATIENCE) }),
    );
    await response.body?.cancel();
    const at = `${printable(cluster.server, 200)} (context ${printable(cluster.context, 100)})`;
    return response.status < 400 ? [{ check, level: "ok", message: `${at} answers` }] : [{
      check,
      level: "warning",
      message: `${at} answers ${response.status}`,
      fix: "kubectl auth whoami tells who you are to it",
    }];
  } catch (error) {
    const { code, hint } = error as AppError;
    return [{
      check,
      level: code === "NO_CLUSTER" ? "ok" : "warning",
      message: messageOf(error),
      fix: code === "NO_CLUSTER" ? undefined : hint ?? "kubectl version tells more",
    }];
  } finally {
    access.close();
  }
}

async function withPatience<T>(promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new AppError("REGISTRY_UNREACHABLE", `Nothing came for ${PATIENCE / 1000} s`)),
    PATIENCE,
  );
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
