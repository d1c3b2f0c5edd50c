/** `krew-wasm push`: publishes a file under a reference. */

import { Command, Option } from "@commander-js/extra-typings";
import {
  type Artifact,
  ARTIFACT_FORMATS,
  makeArtifact,
  type PluginYaml,
  readPluginYaml,
} from "../../registry/oci/artifact.ts";
import { parseWish, WISH_ANNOTATION, WISH_VERSION } from "../../registry/install/plugin_wish.ts";
import { MAX_BLOB } from "../../registry/oci/manifest.ts";
import { pushBlob, pushManifest } from "../../registry/oci/push_artifact.ts";
import {
  readSigningKey,
  signArtifact,
  SIGNATURE_FORMATS,
  type SigningKey,
} from "../../registry/signing/sign_artifact.ts";
import { formatReference, parseReference, type Reference } from "../../registry/oci/mirrored_reference.ts";
import { readReceipts } from "../../runtime/store/read.ts";
import { AppError, firstLineOf, messageOf } from "../../runtime/base/errors.ts";
import { lowerFirst, printable } from "../../runtime/base/text.ts";
import type { Context } from "../context.ts";
import { formatJson, formatSize } from "../terminal/output.ts";
import { ask } from "../terminal/ask_line.ts";
import { kindText } from "../install/plugin_words.ts";
import { openProgress, openRegistry, plainHttpOption } from "../install/open_registry.ts";
import { readFile, readTextFile } from "../terminal/read_file.ts";

const collect = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];

/** Maximum size of a plugin.yaml, a wish or a key. Bytes. */
const MAX_YAML = 1 << 20;

/** The command. */
export function pushCommand(context: Context) {
  return new Command("push")
    .description("push a plugin to an OCI registry")
    .argument("<file>", "the plugin's WebAssembly: a module or a component")
    .argument("<reference>", "[HOST/]REPOSITORY[:TAG]; without a tag latest")
    .option("-t, --tag <tag>", "one more tag (repeatable)", collect)
    .option("-a, --annotation <name=text>", "an annotation of the manifest (repeatable)", collect)
    .option("--plugin-yaml <file>", "annotations and wished grants; plugin.yaml beside the file without it")
    .option("--wish <file>", "grants the plugin wishes for, as YAML or JSON")
    .addOption(
      new Option("--format <layout>", "cncf, or legacy for krew-wasm of 2022 and wasm-to-oci")
        .choices(ARTIFACT_FORMATS).default("cncf" as const),
    )
    .option(
      "--mount-from <repository>",
      "a repository of that registry that may have it (repeatable)",
      collect,
    )
    .option(
      "--sign <key>",
      "sign it with this private key (a file; its password is asked for, or $COSIGN_PASSWORD)",
    )
    .addOption(
      new Option("--signature-format <layout>", "bundle, or simple for readers of cosign's older signatures")
        .choices(SIGNATURE_FORMATS).default("bundle" as const),
    )
    .option("--no-check", "push what krew-wasm itself can't run")
    .addOption(new Option("-o, --output <format>", "output format").choices(["json"]))
    .option("-q, --quiet", "print the pushed reference with its digest only")
    .addOption(plainHttpOption())
    .addHelpText(
      "after",
      `
Examples:
  krew-wasm push decoder.wasm ghcr.io/acme/decoder:v1.2.0 -t v1 -t latest
  krew-wasm push decoder.wasm ghcr.io/acme/plugins/decoder:v1.2.0 \\
    -a org.opencontainers.image.description='Decodes Secrets'
  krew-wasm push decoder.wasm 127.0.0.1:5000/decoder --format legacy`,
    )
    .action(async (path, text, options) => {
      const reference = parseReference(text);
      if (reference.digest !== undefined) {
        throw new AppError(
          "USAGE",
          `"${printable(text, 300)}" names a digest, which follows from what is pushed`,
          {
            hint: `name a tag: ${reference.registry}/${reference.repository}:v1`,
          },
        );
      }
      const targets = [
        reference,
        ...(options.tag ?? []).map((tag) =>
          parseReference(`${reference.registry}/${reference.repository}:${tag}`)
        ),
      ];
      const wasm = readWasm(path);
      const yaml = await readMetadata(path, options.pluginYaml, options.quiet ? () => {} : context.stderr);
      const grants = options.wish === undefined ? yaml.grants : await parseYamlFile(options.wish);
      const wish = grants === undefined
        ? undefined
        : checkWish(grants, options.wish ?? options.pluginYaml ?? "plugin.yaml", context);
      const annotations = {
        ...yaml.annotations,
        ...(wish === undefined ? {} : { [WISH_ANNOTATION]: wish }),
        ...parseAnnotations(options.annotation ?? []),
      };
      const artifact = await describeErrors(path, async () => {
        const made = makeArtifact(wasm, {
          annotations,
          author: yaml.author,
          title: path.split(/[\\/]/).at(-1)!,
          created: createdAt(context),
        }, options.format);
        if (options.check) await (await import("../../registry/compile/compile.ts")).compilePlugin(wasm);
        return made;
      });
      const key = options.sign === undefined ? undefined : await readKey(options.sign, context);
      const progress = openProgress(context, options.quiet ?? false, "Uploading");
      const client = openRegistry(context, options, progress);
      const mountFrom = [
        ...(options.mountFrom ?? []).map((repository) =>
          parseReference(`${reference.registry}/${repository}`).repository
        ),
        ...repositoriesWith(context, artifact, reference),
      ];
      const layer = await pushBlob(client, reference, artifact.layer, { mountFrom, progress: progress.show })
        .finally(progress.end);
      // Upload the config, because a request to mount it would be larger.
      await pushBlob(client, reference, artifact.config);
      let digest = "";
      for (const target of targets) {
        ({ digest } = await pushManifest(client, target, artifact.manifest, artifact.mediaType));
      }
      if (key) {
        const signed = { digest, size: new TextEncoder().encode(artifact.manifest).length };
        await signArtifact(client, reference, signed, key, context.now(), options.signatureFormat);
      }
      const pinned = formatReference({ ...reference, digest });
      if (options.output === "json") {
        return context.stdout(formatJson({
          reference: formatReference(reference),
          tags: targets.map(({ tag }) => tag),
          manifestDigest: digest,
          digest: artifact.layer.digest,
          size: artifact.layer.size,
          kind: artifact.kind,
          format: options.format,
          signed: key !== undefined,
        }));
      }
      if (options.quiet) return context.stdout(`${pinned}\n`);
      const how =
        { sent: "", mounted: ", mounted from another repository", there: ", already in the registry" }[layer];
      context.stdout(
        `Pushed ${formatReference(reference)} (${kindText(artifact.kind)}, ${
          formatSize(artifact.layer.size)
        }${how})\n` +
          `  digest  ${digest}\n` +
          targets.slice(1).map(({ tag }) => `  tag     ${tag}\n`).join("") +
          (key ? `  signed  with ${printable(options.sign!, 200)}\n` : ""),
      );
    });
}

async function readKey(path: string, context: Context): Promise<SigningKey> {
  const text = readTextFile(path, { action: "read the key", code: "TRUST_INVALID", limit: MAX_YAML });
  return await readSigningKey(path, text, () => {
    const password = context.env("COSIGN_PASSWORD");
    if (password !== undefined) return password;
    if (Deno.stdin.isTerminal()) return ask(context, `Password of ${printable(path, 200)}: `, true);
    throw new AppError(
      "USAGE",
      `The key "${printable(path, 200)}" has a password, and there is nobody to ask`,
      {
        hint: "set COSIGN_PASSWORD",
      },
    );
  });
}

function readWasm(path: string): Uint8Array<ArrayBuffer> {
  const bytes = readFile(path, { action: "push" });
  if (bytes.length <= MAX_BLOB) return bytes;
  throw new AppError(
    "TOO_LARGE",
    `Cannot push "${
      printable(path)
    }": it has ${bytes.length} bytes, more than the ${MAX_BLOB} that are allowed`,
  );
}

/** The text of the annotation for a wish. Checks that krew-wasm can read it. @throws AppError USAGE */
function checkWish(grants: unknown, file: string, context: Context): string {
  const object = typeof grants === "object" && grants !== null && !Array.isArray(grants);
  const text = JSON.stringify(object ? { version: WISH_VERSION, ...grants } : grants);
  try {
    parseWish(text, context.env("HOME") ?? "/");
  } catch (error) {
    throw new AppError(
      "USAGE",
      `The wished grants in "${printable(file, 200)}" can't be read: ${printable(messageOf(error), 300)}`,
      {
        hint: "krew-wasm help plugins shows an example",
      },
    );
  }
  return text;
}

async function describeErrors<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const { code, message, hint } = error;
    throw new AppError(
      code,
      `Cannot push "${printable(path)}": ${lowerFirst(message)}`,
      {
        ...(hint === undefined
          ? {}
          : { hint: code === "PLUGIN_UNSUPPORTED" ? `${hint}; --no-check pushes it` : hint }),
        cause: error,
      },
    );
  }
}

/** Reads the named `plugin.yaml`, or the one beside the plugin. */
async function readMetadata(
  path: string,
  named: string | undefined,
  status: (text: string) => void,
): Promise<PluginYaml> {
  const beside = `${path.replace(/[^\\/]*$/, "")}plugin.yaml`;
  if (named === undefined) {
    try {
      if (!Deno.statSync(beside).isFile) throw new Error();
    } catch {
      return { annotations: {}, author: undefined, grants: undefined };
    }
    status(`reading ${printable(beside, 300)}\n`);
  }
  const file = named ?? beside;
  return readPluginYaml(await parseYamlFile(file), file);
}

async function parseYamlFile(path: string): Promise<unknown> {
  const text = readTextFile(path, { limit: MAX_YAML });
  try {
    return (await import("yaml")).parse(text, { maxAliasCount: 100 });
  } catch (error) {
    throw new AppError(
      "USAGE",
      `"${printable(path, 300)}" is not YAML: ${printable(firstLineOf(error), 200)}`,
    );
  }
}

/** Parses flags of the form `NAME=TEXT`. @throws AppError USAGE */
function parseAnnotations(flags: readonly string[]): Record<string, string> {
  return Object.fromEntries(flags.map((flag) => {
    const at = flag.indexOf("=");
    if (at < 1) {
      throw new AppError("USAGE", `"${printable(flag, 200)}" is not an annotation`, {
        hint: "-a NAME=TEXT, such as -a org.opencontainers.image.version=1.2.0",
      });
    }
    return [flag.slice(0, at), flag.slice(at + 1)];
  }));
}

/** The current time, or `SOURCE_DATE_EPOCH` in seconds (reproducible-builds.org). @throws AppError USAGE */
function createdAt({ env, now }: Context): Date {
  const epoch = env("SOURCE_DATE_EPOCH");
  if (epoch === undefined || epoch === "") return now();
  if (!/^\d{1,11}$/.test(epoch)) {
    throw new AppError("USAGE", `SOURCE_DATE_EPOCH is not a number of seconds: "${printable(epoch, 50)}"`);
  }
  return new Date(Number(epoch) * 1000);
}

/** Repositories of the same registry that hold the same WebAssembly, according to receipts. */
function repositoriesWith(
  context: Context,
  { layer }: Artifact,
  { registry, repository }: Reference,
): string[] {
  try {
    return readReceipts(context.layout()).receipts
      .filter(({ digest }) => digest === layer.digest)
      .map((receipt) => parseReference(receipt.reference))
      .filter((one) => one.registry === registry && one.repository !== repository)
      .map((one) => one.repository);
  } catch {
    return []; // mounting is only an optimization
  }
}
