/** Debian's docker-registry and skopeo, if installed. */

import { findProgram, missing } from "./programs.ts";

/** Whether to skip tests that need docker-registry. */
export const registryMissing = missing(
  "docker-registry",
  findProgram("docker-registry") !== undefined,
  "Debian: apt-get install docker-registry",
);
/** Whether to skip tests that need skopeo. */
export const skopeoMissing = missing(
  "skopeo",
  findProgram("skopeo") !== undefined,
  "Debian: apt-get install skopeo",
);
/** Whether to skip tests that need htpasswd. */
export const htpasswdMissing = missing(
  "htpasswd",
  findProgram("htpasswd") !== undefined,
  "Debian: apt-get install apache2-utils",
);

/** A docker-registry on its own port. */
export class DockerRegistry implements AsyncDisposable {
  private constructor(
    readonly host: string,
    readonly directory: string,
    private readonly child: Deno.ChildProcess,
  ) {}

  /**
   * @param htpasswd users and their hashes
   * @param tls its certificate and key, and the authority for its clients' certificates, PEM
   */
  static async start(
    htpasswd?: string,
    tls?: { readonly cert: string; readonly key: string; readonly clients?: string },
  ): Promise<DockerRegistry> {
    const directory = await Deno.makeTempDir();
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
      `version: 0.1\nlog:\n  accesslog:\n    disabled: true\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: ${directory}/data\nhttp:\n  addr: 127.0.0.1:0\n${secure}${auth}`,
    );
    const log = `${directory}/log`;
    const child = new Deno.Command("/bin/sh", {
      args: ["-c", 'exec docker-registry serve "$0/config.yml" >"$0/log" 2>&1', directory],
      stdin: "null",
    }).spawn();
    // The system chooses a free port, and the registry's log names it.
    const ended = child.status.then(() => true);
    for (;;) {
      const text = await Deno.readTextFile(log).catch(() => "");
      const port = /listening on 127\.0\.0\.1:(\d+)/.exec(text)?.[1];
      if (port !== undefined) return new DockerRegistry(`127.0.0.1:${port}`, directory, child);
      const over = await Promise.race([ended, new Promise<false>((done) => setTimeout(done, 20, false))]);
      if (over) throw new Error(`docker-registry did not start: ${await Deno.readTextFile(log)}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.child.status;
    await Deno.remove(this.directory, { recursive: true });
  }
}

/** Runs skopeo without checks of certificates or signatures. @throws Error with its output */
export async function skopeo(...args: readonly string[]): Promise<string> {
  const [verb = "", ...rest] = args;
  const tls = verb === "copy"
    ? ["--src-tls-verify=false", "--dest-tls-verify=false"]
    : ["--tls-verify=false"];
  return await program("skopeo", [verb, "--insecure-policy", ...tls, ...rest]);
}

/** Runs a program and returns its stdout. @throws Error with its output */
export async function program(name: string, args: readonly string[], cwd?: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(name, {
    args: [...args],
    ...(cwd === undefined ? {} : { cwd }),
  }).output();
  if (!success) throw new Error(`${name} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}
