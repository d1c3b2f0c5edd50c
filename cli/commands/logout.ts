/** `krew-wasm logout`: deletes the credentials for a registry. */

import { Command } from "@commander-js/extra-typings";
import { processLoginHost, removeLogin } from "../../registry/oci/credentials/store_login.ts";
import { parseRegistry } from "../../registry/oci/mirrored_reference.ts";
import { AppError } from "../../runtime/base/errors.ts";
import { formatError } from "../../runtime/run/error_report.ts";
import type { Context } from "../context.ts";

/** The command. */
export function logoutCommand(context: Context) {
  return new Command("logout")
    .description("log out of a registry: forget its credentials")
    .argument("[registry]", "HOST[:PORT]", "docker.io")
    .addHelpText("after", "\nExamples:\n  krew-wasm logout ghcr.io")
    .action(async (text) => {
      const registry = parseRegistry(text);
      const { removed, failures, held } = await removeLogin(registry, processLoginHost(context.layout()));
      if (removed.length === 0 && failures.length === 0) {
        if (!held) throw new AppError("REGISTRY_CREDENTIALS", `You are not logged in to ${registry}`);
        throw new AppError(
          "REGISTRY_CREDENTIALS",
          `The environment variable DOCKER_AUTH_CONFIG holds the credentials for ${registry}`,
          { hint: "unset DOCKER_AUTH_CONFIG" },
        );
      }
      if (failures.length === 0) context.stdout(`Logged out of ${registry}\n`);
      for (const one of removed) {
        context.stderr(`removed from ${one.kind === "helper" ? one.program : one.path}\n`);
      }
      if (held) context.stderr(`warning: DOCKER_AUTH_CONFIG still holds credentials for ${registry}\n`);
      for (const failure of failures.slice(1)) context.stderr(formatError(failure, context.verbose));
      if (failures[0]) throw failures[0];
    });
}
