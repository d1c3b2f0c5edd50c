/**
 * The temporary directory of a build: replacements for files of Go and of packages, and copies of modules. A build
 * writes nothing into the program's directories or the module cache.
 */

import { AppError } from "../../runtime/base/errors.ts";
import { patchStdFile, STD_PATCHES } from "./go_patches.ts";
import { type PackageChange, partByModule } from "./go_plan.ts";
import { withoutConstraints } from "./go_rewrite.ts";
import type { Go, GoEnvironment } from "./run_go.ts";

/** The files of a build. */
export class GoWorkspace {
  /** The content of `-overlay`: the replacement of each file. Empty removes the file. */
  readonly #overlay = new Map<string, string>();
  #copies = new Map<string, string>();
  #written = 0;

  constructor(
    readonly root: string,
    private readonly go: Go,
    private readonly env: GoEnvironment,
    private readonly own: ReadonlyMap<string, string>,
  ) {}

  /** Adds the overlay's files to the standard library and patches its files. @throws AppError BUILD_FAILED */
  async overlayStd(): Promise<void> {
    const { GOROOT, GOVERSION } = this.env;
    for (const [path, text] of this.own) {
      if (path.startsWith("std/")) this.#replace(`${GOROOT}/src/${path.slice(4)}`, text);
    }
    for (const file of new Set(STD_PATCHES.map(({ file }) => file))) {
      let text: string;
      try {
        text = await Deno.readTextFile(`${GOROOT}/src/${file}`);
      } catch (error) {
        throw new AppError("BUILD_FAILED", `Cannot read ${GOROOT}/src/${file} of ${GOVERSION}`, {
          cause: error,
        });
      }
      this.#replace(`${GOROOT}/src/${file}`, patchStdFile(file, text, STD_PATCHES, GOVERSION));
    }
  }

  /**
   * Applies changes to packages, in addition to earlier ones.
   *
   * @returns flags and variables for `go`
   */
  async apply(changes: readonly PackageChange[]): Promise<{ flags: string[]; env: Record<string, string> }> {
    const { copied, overlaid } = partByModule(changes, this.env.GOMODCACHE);
    for (const change of overlaid) await this.#change(change, change.directory, true);
    const replaces: string[] = [];
    for (const [from, changes] of copied) {
      const to = await this.#copyOf(from);
      for (const change of changes) {
        await this.#change(change, `${to}${change.directory.slice(from.length)}`, false);
      }
      const { Path, Version } = changes[0]!.module!;
      replaces.push(`${Path}${Version === undefined ? "" : `@${Version}`}=${to}`);
    }
    const overlay = `${this.root}/overlay.json`;
    await Deno.writeTextFile(overlay, JSON.stringify({ Replace: Object.fromEntries(this.#overlay) }));
    const placed = replaces.length === 0
      ? { flags: [], env: {} }
      : this.env.GOWORK !== "" && this.env.GOWORK !== "off"
      ? await this.#workFile(replaces)
      : await this.#modFile(replaces);
    return { flags: [`-overlay=${overlay}`, ...placed.flags], env: placed.env };
  }

  /** The directory of a module's copy. */
  async #copyOf(from: string): Promise<string> {
    const there = this.#copies.get(from);
    if (there !== undefined) return there;
    const to = `${this.root}/modules/${this.#copies.size}`;
    await copyModule(from, to);
    this.#copies.set(from, to);
    return to;
  }

  #replace(path: string, text: string): void {
    const file = `${this.root}/files/${this.#written++}.go`;
    Deno.mkdirSync(`${this.root}/files`, { recursive: true });
    Deno.writeTextFileSync(file, text);
    this.#overlay.set(path, file);
  }

  /** @param overlay whether to overlay files instead of writing them */
  async #change(change: PackageChange, directory: string, overlay: boolean): Promise<void> {
    const put = (name: string, text: string) => {
      if (overlay) this.#replace(`${directory}/${name}`, text);
      else Deno.writeTextFileSync(`${directory}/${name}`, text);
    };
    for (const name of change.add) put(name, this.own.get(`modules/${change.importPath}/${name}`)!);
    for (const [name, source] of change.write) {
      put(name, withoutConstraints(await Deno.readTextFile(`${change.directory}/${source}`)));
      if (overlay && name !== source) this.#overlay.set(`${directory}/${source}`, "");
    }
    for (const name of change.drop) {
      if (overlay) this.#overlay.set(`${directory}/${name}`, "");
      else removeIfThere(`${directory}/${name}`);
    }
  }

  /** The program's go.mod with replacements, for -modfile. */
  async #modFile(replaces: readonly string[]): Promise<{ flags: string[]; env: Record<string, string> }> {
    const file = `${this.root}/go.mod`;
    await Deno.copyFile(this.env.GOMOD, file);
    await copyIfThere(this.env.GOMOD.replace(/\.mod$/, ".sum"), `${this.root}/go.sum`);
    await this.#edit("mod", replaces, file);
    return { flags: [`-modfile=${file}`], env: {} };
  }

  /** The program's go.work with replacements and absolute module paths. */
  async #workFile(replaces: readonly string[]): Promise<{ flags: string[]; env: Record<string, string> }> {
    const file = `${this.root}/go.work`;
    const { GOWORK } = this.env;
    const base = GOWORK.replace(/[\\/][^\\/]*$/, "");
    await Deno.copyFile(GOWORK, file);
    await copyIfThere(`${GOWORK}.sum`, `${file}.sum`);
    const { Use, Replace } = JSON.parse(await this.#run(["work", "edit", "-json", file])) as {
      Use?: { DiskPath: string }[] | null;
      Replace?: { Old: { Path: string; Version?: string }; New: { Path: string; Version?: string } }[] | null;
    };
    const args = (Use ?? []).filter(({ DiskPath }) => !isAbsolute(DiskPath))
      .flatMap(({ DiskPath }) => [`-dropuse=${DiskPath}`, `-use=${below(base, DiskPath)}`]);
    for (const { Old, New } of Replace ?? []) {
      if (New.Version || isAbsolute(New.Path)) continue;
      args.push(`-replace=${Old.Path}${Old.Version ? `@${Old.Version}` : ""}=${below(base, New.Path)}`);
    }
    if (args.length > 0) await this.#run(["work", "edit", ...args, file]);
    await this.#edit("work", replaces, file);
    return { flags: [], env: { GOWORK: file } };
  }

  async #edit(kind: "mod" | "work", replaces: readonly string[], file: string): Promise<void> {
    await this.#run([kind, "edit", ...replaces.map((each) => `-replace=${each}`), file]);
  }

  async #run(args: readonly string[]): Promise<string> {
    const { success, stdout, stderr } = await this.go(args);
    if (!success) throw new AppError("BUILD_FAILED", `go ${args[0]} ${args[1]} failed: ${stderr.trim()}`);
    return stdout;
  }
}

/** A clean relative path: `go` compares the directories of a workspace as text. */
function below(base: string, path: string): string {
  const parts = base.split(/[\\/]/);
  for (const part of path.split(/[\\/]/)) {
    if (part === "..") parts.pop();
    else if (part !== "." && part !== "") parts.push(part);
  }
  return parts.join("/");
}

function isAbsolute(path: string): boolean {
  return /^(?:[\\/]|[A-Za-z]:)/.test(path);
}

async function copyIfThere(from: string, to: string): Promise<void> {
  try {
    await Deno.copyFile(from, to);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function removeIfThere(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** A module's files without its tests. The module cache is read-only, the copies are not. */
async function copyModule(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory, isFile } of Deno.readDir(from)) {
    if (isDirectory) await copyModule(`${from}/${name}`, `${to}/${name}`);
    else if (isFile && !name.endsWith("_test.go")) {
      await Deno.writeFile(`${to}/${name}`, await Deno.readFile(`${from}/${name}`));
    }
  }
}
