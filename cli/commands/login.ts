/** `krew-wasm login`: stores credentials for a registry where docker and podman find them. */

import { Command } from "@commander-js/extra-typings";
import { checkLogin, processLoginHost, storeLogin } from "../../registry/oci/credentials/store_login.ts";
import { parseRegistry } from "../../registry/oci/mirrored_reference.ts";
import { AppError } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import type { Context } from "../context.ts";
import { ask, readStdin } from "../terminal/ask_line.ts";
import { openRegistry, plainHttpOption } from "../install/open_registry.ts";

/** The command. */
export function loginCommand(context: Context) {
  return new Command("login")
    .description("log in to a registry")
    .argument("[registry]", "HOST[:PORT]", "docker.io")
    .option("-u, --username <name>", "user name; asked for at a terminal without it")
    .option("--password-stdin", "take the password, or token, from stdin")
    .addOption(plainHttpOption())
    .addHelpText(
      "after",
      `
The credentials are tried, and then kept as docker keeps them: by the helper
that ~/.docker/config.json names, or else in that file ($DOCKER_CONFIG and
$REGISTRY_AUTH_FILE name another). A password is no argument: others could read
it.

Examples:
  krew-wasm login ghcr.io -u octocat
  gh auth token | krew-wasm login ghcr.io -u octocat --password-stdin`,
    )
    .action(async (text, options) => {
      const registry = parseRegistry(text);
      const terminal = Deno.stdin.isTerminal();
      if (options.passwordStdin && options.username === undefined) {
        throw new AppError("USAGE", "With --password-stdin the user name has to be given", {
          hint: `krew-wasm login ${printable(registry, 200)} -u NAME --password-stdin`,
        });
      }
      if (!options.passwordStdin && !terminal) {
        throw new AppError("USAGE", "Without a terminal the password has to come from stdin", {
          hint: `krew-wasm login ${printable(registry, 200)} -u NAME --password-stdin`,
        });
      }
      const username = options.username ?? ask(context, `User name for ${registry}: `).trim();
      // RFC 7617: the name ends at the first colon.
      if (username === "" || /[:\u0000-\u001f]/.test(username)) {
        throw new AppError("USAGE", `"${printable(username, 100)}" is not a user name`);
      }
      const password = options.passwordStdin
        ? await readStdin()
        : ask(context, `Password for ${printable(username, 100)}: `, true);
      if (password === "") throw new AppError("USAGE", "The password is empty");
      const client = openRegistry(context, options);
      await checkLogin(client, registry, { username, password });
      const stored = await storeLogin(registry, { username, password }, processLoginHost(context.layout()));
      context.stdout(`Logged in to ${registry} as ${printable(username, 100)}\n`);
      if (stored.kind === "helper") return context.stderr(`${stored.program} keeps the password\n`);
      context.stderr(
        `warning: ${stored.path} holds the password, encoded but not encrypted\n` +
          `hint: a credential helper keeps it better: krew-wasm help registries\n`,
      );
    });
}
