/** `krew-wasm build`: builds a plugin from a Go program. */

import { Command } from "@commander-js/extra-typings";
import { AppError, messageOf } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import type { Context } from "../context.ts";
import { formatSize } from "../terminal/output.ts";

/** The command. */
export function buildCommand(context: Context) {
  return new Command("build")
    .description("build a plugin from a program in Go")
    .argument("[package]", "a directory or a package, as go build takes it", ".")
    .argument("[flags...]", "after --: flags for go build")
    .option("-o, --output <file>", "the file to write (default: NAME.wasm in this directory)")
    .option("-q, --quiet", "print nothing but errors")
    .addHelpText(
      "after",
      `
Runs the go in PATH, 1.24 or later, with changes to its standard library and
to a few packages. They are made in a temporary directory: the program's own
files and the module cache stay as they are.

Examples:
  krew-wasm build
  krew-wasm build ./cmd/kubectl-tree -o tree.wasm
  krew-wasm build . -- -tags netgo -ldflags "-X main.version=v1"`,
    )
    .action(async (target, flags, options) => {
      // A package does not begin with a dash, so this is a flag after --.
      if (target.startsWith("-")) await build(context, ".", [target, ...flags], options);
      else await build(context, target, flags, options);
    });
}

async function build(
  context: Context,
  target: string,
  flags: readonly string[],
  options: { readonly output?: string | undefined; readonly quiet?: true | undefined },
): Promise<void> {
  if (/^[^./][^@]*@/.test(target)) {
    throw new AppError(
      "USAGE",
      `"${target}" has a version: go build takes packages of the module it runs in`,
      {
        hint: "clone its repository, and build there",
      },
    );
  }
  const { buildGo } = await import("../../registry/build/go_build.ts");
  const { replaceFileAt } = await import("../../registry/store/replace_file.ts");
  const note = (line: string) => options.quiet ? undefined : context.stderr(`${printable(line, 500)}\n`);
  const place = isDirectory(target)
    ? { directory: absolute(target, context.cwd()), target: "." }
    : { directory: context.cwd(), target };
  try {
    await buildGo({ ...place, flags, note }, async ({ name, path }) => {
      const output = options.output ?? `${name}.wasm`;
      const bytes = await Deno.readFile(path);
      try {
        await replaceFileAt(absolute(output, context.cwd()), { mode: 0o644 }, (write) => write(bytes));
      } catch (error) {
        throw new AppError("OUTPUT_FAILED", `Cannot write "${printable(output, 300)}": ${messageOf(error)}`, {
          cause: error,
        });
      }
      note(`built ${output} (${formatSize(bytes.length)})`);
    });
  } catch (error) {
    // Show the compiler's whole output.
    if (error instanceof AppError && error.code === "BUILD_FAILED" && error.cause instanceof Error) {
      context.stderr(error.cause.message.split("\n").map((line) => printable(line, 1000)).join("\n"));
    }
    throw error;
  }
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

function absolute(path: string, cwd: string): string {
  return /^(?:[\\/]|[A-Za-z]:)/.test(path) ? path : `${cwd}/${path}`;
}
