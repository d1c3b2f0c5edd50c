// deno-lint-ignore-file no-console -- prints skipped tests

/**
 * Runs one process and its children with a Pod's service account in its usual place. A mount namespace of their own keeps
 * this away from the machine.
 */

/** Where client-go looks for it (rest.InClusterConfig). */
const PLACE = "/var/run/secrets/kubernetes.io/serviceaccount";

const SCRIPT = `set -e
mount -t tmpfs none "$(readlink -f /var/run)"
mkdir -p ${PLACE}
mount --bind "$0" ${PLACE}
exec "$@"`;

/** A command prefix that uses a local directory as the service account's. */
export function inPod(directory: string): string[] {
  return ["unshare", "--mount", "/bin/sh", "-c", SCRIPT, directory];
}

let told = false;

/** Whether to skip tests that need a mount namespace; prints the reason once. It takes root and the machine's permission. */
export function podMissing(): boolean {
  let why: string;
  try {
    const [program = "", ...args] = inPod(Deno.cwd());
    const { success, stderr } = new Deno.Command(program, { args: [...args, "true"] }).outputSync();
    if (success) return false;
    why = new TextDecoder().decode(stderr).trim();
  } catch (error) {
    why = (error as Error).message;
  }
  // Not an error in CI either: the machine forbids it, no part is missing.
  if (!told) console.warn(`a mount namespace can't be made, tests inside of a Pod are skipped: ${why}`);
  told = true;
  return true;
}

/** A service account's directory as the kubelet writes it: links to a link that is replaced as a whole. */
export class ServiceAccountFiles implements Disposable {
  readonly directory = Deno.makeTempDirSync();
  #version = 0;

  constructor(files: Readonly<Record<string, string>>) {
    this.write(files);
  }

  /** Replaces all files at once. */
  write(files: Readonly<Record<string, string>>): void {
    const version = `..version_${this.#version++}`;
    Deno.mkdirSync(`${this.directory}/${version}`);
    for (const [name, text] of Object.entries(files)) {
      Deno.writeTextFileSync(`${this.directory}/${version}/${name}`, text);
    }
    Deno.symlinkSync(version, `${this.directory}/..data_tmp`);
    Deno.renameSync(`${this.directory}/..data_tmp`, `${this.directory}/..data`);
    for (const { name } of [...Deno.readDirSync(this.directory)]) {
      if (!name.startsWith("..") && !(name in files)) Deno.removeSync(`${this.directory}/${name}`);
      if (/^\.\.version/.test(name) && name !== version) {
        Deno.removeSync(`${this.directory}/${name}`, { recursive: true });
      }
    }
    for (const name of Object.keys(files)) {
      try {
        Deno.symlinkSync(`..data/${name}`, `${this.directory}/${name}`);
      } catch (error) {
        if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      }
    }
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }
}
