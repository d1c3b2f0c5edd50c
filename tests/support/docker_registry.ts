/** Debian's docker-registry and skopeo, where they are. */

import { findProgram, missing } from "./programs.ts";

/** Whether tests that need docker-registry are left out. */
export const registryMissing = missing(
  "docker-registry",
  findProgram("docker-registry") !== undefined,
  "Debian: apt-get install docker-registry",
);
/** Whether tests that need skopeo are left out. */
export const skopeoMissing = missing(
  "skopeo",
  findProgram("skopeo") !== undefined,
  "Debian: apt-get install skopeo",
);
/** Whether tests that need htpasswd are left out. */
export const htpasswdMissing = missing(
  "htpasswd",
  findProgram("htpasswd") !== undefined,
  "Debian: apt-get install apache2-utils",
);

/** docker-registry on a free port. */
export class DockerRegistry implements AsyncDisposable {
  private constructor(
    readonly host: string,
    readonly directory: string,
    private readonly child: Deno.ChildProcess,
  ) {}

  /**
   * @param htpasswd users and their hashes
   * @param tls its certificate and key, and the authority of its clients' certificates, PEM
   */
  static async start(
    htpasswd?: string,
    tls?: { readonly cert: string; readonly key: string; readonly clients?: string },
  ): Promise<DockerRegistry> {
    const directory = await Deno.makeTempDir();
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const host = `127.0.0.1:${(listener.addr as Deno.NetAddr).port}`;
    listener.close();
    const auth = htpasswd === undefined
      ? ""
      : `auth:\n  htpasswd:\n    realm: test\n    path: ${directory}/htpasswd\n`;
    let secure = "";
    if (tls) {
      for (const [name, text] of Object.entries(tls)) {
        await Deno.writeTextFile(`${directory}/${name}.pem`, text);
      }
      secure = `  tls:\n    certificate: ${directory}/cert.pem\n    key: ${directory}/key.pem\n${
        tls.clients === undefined ? "" : `    clientcas: [${directory}/clients.pem]\n`
      }`;
    }
    if (htpasswd !== undefined) await Deno.writeTextFile(`${directory}/htpasswd`, htpasswd);
    await Deno.writeTextFile(
      `${directory}/config.yml`,
      `version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: ${directory}/data\nhttp:\n  addr: ${host}\n${secure}${auth}`,
    );
    const child = new Deno.Command("docker-registry", {
      args: ["serve", `${directory}/config.yml`],
      stdout: "null",
      stderr: "null",
    }).spawn();
    for (let tries = 0; tries < 400; tries++) {
      // It is up when it listens: with TLS there is nothing to ask without a certificate.
      const answer = await Deno.connect({ hostname: "127.0.0.1", port: Number(host.split(":")[1]) })
        .catch(() => undefined);
      answer?.close();
      if (answer) return new DockerRegistry(host, directory, child);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
    throw new Error("docker-registry did not start");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.child.status;
    await Deno.remove(this.directory, { recursive: true });
  }
}

/** Runs skopeo without asking for certificates or signatures. @throws Error with what it says */
export async function skopeo(...args: readonly string[]): Promise<string> {
  const [verb = "", ...rest] = args;
  const tls = verb === "copy"
    ? ["--src-tls-verify=false", "--dest-tls-verify=false"]
    : ["--tls-verify=false"];
  return await program("skopeo", [verb, "--insecure-policy", ...tls, ...rest]);
}

/** Runs a program and returns its stdout. @throws Error with what it says */
export async function program(name: string, args: readonly string[], cwd?: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(name, {
    args: [...args],
    ...(cwd === undefined ? {} : { cwd }),
  }).output();
  if (!success) throw new Error(`${name} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}
