/** A real control plane, etcd and kube-apiserver, for one test process. */

import { fileURLToPath } from "node:url";
import { der, INTEGER, pem, SEQUENCE } from "../../runtime/kube/config/der.ts";
import { Authority, type Pair } from "../../scripts/servers/certificates.ts";
import { findProgram, missing } from "./programs.ts";

/** The paths of the binaries. */
interface Assets {
  readonly etcd: string;
  readonly apiserver: string;
  readonly kubectl: string;
}

/** Finds the binaries beside the repository, in $KUBEBUILDER_ASSETS, or on PATH. */
export function findAssets(): Assets | undefined {
  const script = fileURLToPath(new URL("../../../shared/envtest/assets", import.meta.url));
  let unpacked: string | undefined;
  try {
    Deno.statSync(script);
    const { stdout, success } = new Deno.Command(script, { stdout: "piped", stderr: "inherit" }).outputSync();
    if (success) unpacked = /KUBEBUILDER_ASSETS=(\S+)/.exec(new TextDecoder().decode(stdout))?.[1];
  } catch { /* not there */ }
  const directories = [unpacked, Deno.env.get("KUBEBUILDER_ASSETS")];
  const etcd = findProgram("etcd", directories);
  const apiserver = findProgram("kube-apiserver", directories);
  const kubectl = findProgram("kubectl", directories);
  return etcd && apiserver && kubectl ? { etcd, apiserver, kubectl } : undefined;
}

/** Whether to skip tests that need the control plane. */
export function controlPlaneMissing(): boolean {
  return missing(
    "kube-apiserver",
    findAssets() !== undefined,
    "setup-envtest of controller-runtime gets it; set KUBEBUILDER_ASSETS",
  );
}

/** A running control plane with an admin (client certificate) and a reader (token). */
export class ControlPlane implements AsyncDisposable {
  private constructor(
    readonly directory: string,
    readonly server: string,
    readonly kubectl: string,
    readonly authority: Authority,
    /** The admin's certificate and key. */
    readonly admin: Pair,
    readonly kubeconfig: string,
    private readonly processes: readonly Deno.ChildProcess[],
  ) {}

  /**
   * @param options.audit write every request to `audit.log` in its directory as it arrives, one JSON object a line
   * @param options.flags more flags of kube-apiserver
   */
  static async start({ audit = false, flags = [] as readonly string[] } = {}): Promise<ControlPlane> {
    const assets = findAssets();
    if (!assets) throw new Error("kube-apiserver is missing");
    for (let tries = 1;; tries++) {
      try {
        return await ControlPlane.#startAt(freePort(), assets, audit, flags);
      } catch (error) {
        // Another program may take the free port before the server does.
        if (tries === 5 || !/address already in use/.test((error as Error).message)) throw error;
      }
    }
  }

  static async #startAt(
    port: number,
    assets: Assets,
    audit: boolean,
    flags: readonly string[],
  ): Promise<ControlPlane> {
    const directory = await Deno.makeTempDir({ prefix: "kw-" }); // a socket's path has at most 107 bytes
    const write = (name: string, text: string) =>
      Deno.writeTextFile(`${directory}/${name}`, text, { mode: 0o600 });
    const authority = await Authority.make("envtest-ca");
    const server = await authority.issue({ commonName: "kube-apiserver", hosts: ["127.0.0.1", "localhost"] });
    const admin = await authority.issue({ commonName: "admin", organizations: ["system:masters"] });
    await write("ca.crt", authority.cert);
    await write("server.crt", server.cert);
    await write("server.key", server.key);
    await write("tokens.csv", 'reader-token,reader,uid-2,"readers"\n');
    await write("sa.key", await serviceAccountKey());
    await write(
      "audit.yaml",
      JSON.stringify({
        apiVersion: "audit.k8s.io/v1",
        kind: "Policy",
        rules: [{ level: "Metadata", omitStages: ["ResponseStarted", "ResponseComplete", "Panic"] }],
      }),
    );
    const children: Deno.ChildProcess[] = [];
    const spawn = (program: string, args: string[], env: Record<string, string> = {}) => {
      const log = `${directory}/${program.split("/").at(-1)}.log`;
      // The shell redirects the log to a file, and exec keeps one process.
      const child = new Deno.Command("/bin/sh", {
        args: ["-c", 'exec "$0" "$@" >"$LOG" 2>&1', program, ...args],
        env: { ...env, LOG: log },
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).spawn();
      children.push(child);
      return child;
    };
    const etcd = spawn(assets.etcd, [
      `--data-dir=${directory}/etcd`,
      "--unsafe-no-fsync",
      "--log-level=warn",
      "--listen-peer-urls=http://127.0.0.1:0",
      `--listen-client-urls=unix://${directory}/etcd.sock`,
      `--advertise-client-urls=unix://${directory}/etcd.sock`,
    ]);
    // If etcd is not up yet, the API server waits a second before it retries.
    let ended = false;
    etcd.status.then(() => ended = true);
    while (!ended && !(await Deno.lstat(`${directory}/etcd.sock`).catch(() => undefined))) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    spawn(assets.apiserver, [
      "--bind-address=127.0.0.1",
      `--secure-port=${port}`,
      "--advertise-address=127.0.0.1",
      "--endpoint-reconciler-type=none",
      `--etcd-servers=unix://${directory}/etcd.sock`,
      "--service-cluster-ip-range=10.0.0.0/24",
      "--authorization-mode=RBAC",
      `--tls-cert-file=${directory}/server.crt`,
      `--tls-private-key-file=${directory}/server.key`,
      `--client-ca-file=${directory}/ca.crt`,
      `--token-auth-file=${directory}/tokens.csv`,
      "--service-account-issuer=https://kubernetes.default.svc",
      `--service-account-key-file=${directory}/sa.key`,
      `--service-account-signing-key-file=${directory}/sa.key`,
      "--disable-admission-plugins=ServiceAccount",
      "--shutdown-watch-termination-grace-period=1s",
      ...flags,
      ...(audit
        ? [
          `--audit-policy-file=${directory}/audit.yaml`,
          `--audit-log-path=${directory}/audit.log`,
          "--audit-log-mode=blocking",
        ]
        : []),
    ], { GOGC: "400" });
    const url = `https://127.0.0.1:${port}`;
    const data = (text: string) => btoa(text);
    const kubeconfig = `${directory}/config`;
    await write(
      "config",
      JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        "current-context": "admin",
        clusters: [{
          name: "envtest",
          cluster: { server: url, "certificate-authority-data": data(authority.cert) },
        }],
        users: [
          {
            name: "admin",
            user: { "client-certificate-data": data(admin.cert), "client-key-data": data(admin.key) },
          },
          { name: "reader", user: { token: "reader-token" } },
        ],
        contexts: ["admin", "reader"].map((user) => ({
          name: user,
          context: { cluster: "envtest", user, namespace: "default" },
        })),
      }),
    );
    const plane = new ControlPlane(directory, url, assets.kubectl, authority, admin, kubeconfig, children);
    try {
      await plane.#ready(admin);
    } catch (error) {
      await plane[Symbol.asyncDispose]();
      throw error;
    }
    return plane;
  }

  async #ready(admin: Pair): Promise<void> {
    const client = Deno.createHttpClient({ caCerts: [this.authority.cert], http2: false, ...admin });
    try {
      let ended = false;
      for (const child of this.processes) child.status.then(() => ended = true);
      // The server reports that it is ready before it has created the default namespace.
      for (const path of ["/readyz", "/api/v1/namespaces/default"]) {
        let status: number | undefined;
        while (status !== 200) {
          // Another program at this port may never answer.
          const signal = AbortSignal.timeout(10_000);
          const answer = await fetch(this.server + path, { client, signal } as RequestInit).catch(() =>
            undefined
          );
          await answer?.body?.cancel();
          status = answer?.status;
          if (ended) {
            const logs = ["etcd", "kube-apiserver"].map((name) =>
              Deno.readTextFile(`${this.directory}/${name}.log`).then((log) => log.slice(-4000), () => "")
            );
            throw new Error(`kube-apiserver did not start: ${(await Promise.all(logs)).join("\n")}`);
          }
          if (status !== 200) await new Promise((resolve) => setTimeout(resolve, 50));
        }
      }
    } finally {
      client.close();
    }
  }

  /** Runs kubectl as the admin. Throws if it fails. */
  async run(...args: string[]): Promise<string> {
    const { success, stdout, stderr } = await new Deno.Command(this.kubectl, {
      args: [`--kubeconfig=${this.kubeconfig}`, ...args],
    }).output();
    if (!success) throw new Error(`kubectl ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
    return new TextDecoder().decode(stdout);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // No data is kept, so a graceful stop is not necessary.
    for (const child of this.processes) {
      try {
        child.kill("SIGKILL");
      } catch { /* it has ended */ }
      await child.status;
    }
    await Deno.remove(this.directory, { recursive: true });
  }
}

/**
 * A port for a server that needs it as a flag. The system assigns ports from 32768 on, so no connection of this machine
 * takes a lower one meanwhile.
 */
function freePort(): number {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      return port;
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

/** An EC key in SEC1 (RFC 5915), the only form that kube-apiserver accepts for service accounts' EC keys. */
async function serviceAccountKey(): Promise<string> {
  const { privateKey } = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
    "sign",
  ]);
  const { d = "", x = "", y = "" } = await crypto.subtle.exportKey("jwk", privateKey);
  const bytes = (text: string) =>
    Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  const curve = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
  const point = der(0x03, [0, 4], bytes(x), bytes(y));
  return pem(
    "EC PRIVATE KEY",
    der(SEQUENCE, der(INTEGER, [1]), der(0x04, bytes(d)), der(0xa0, curve), der(0xa1, point)),
  );
}
