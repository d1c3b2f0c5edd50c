/** Shared by the commands that use registries. */

import { Option } from "@commander-js/extra-typings";
import { type Hosts, RegistryClient } from "../../registry/oci/registry_client.ts";
import { processHosts } from "../../registry/oci/hosts/settings_host.ts";
import { openHosts, registriesFile } from "../../registry/oci/registry_hosts.ts";
import { checkStore } from "../../runtime/store/check.ts";
import { printable } from "../../runtime/base/text.ts";
import type { Context } from "../context.ts";
import { terminalColumns } from "../terminal/output.ts";
import { makeProgress, type Progress } from "../terminal/progress.ts";

/** `--plain-http` */
export function plainHttpOption() {
  return new Option("--plain-http", "use HTTP with a registry on another machine");
}

/** A registry client that traces, and reports waits on stderr. */
export function openRegistry(
  context: Context,
  { plainHttp = false, quiet = false }: { plainHttp?: boolean | undefined; quiet?: boolean | undefined },
  progress?: Progress,
): RegistryClient {
  const layout = context.layout();
  const outside = processHosts((host) => client.transport.speaksHttps(host));
  const hosts: Hosts = openHosts(layout.root, {
    ...outside,
    readFile(path) {
      // Another user's registries.yaml could redirect credentials, so check its owner before reading it.
      if (path === registriesFile(layout.root)) checkStore(layout);
      return outside.readFile(path);
    },
  });
  const client: RegistryClient = new RegistryClient({
    hosts,
    plainHttp,
    trace: (line) => {
      if (context.verbose) context.stderr(`krew-wasm: ${printable(line, 2000)}\n`);
    },
    notice: (line) => {
      progress?.end();
      if (!quiet) context.stderr(`${line}\n`);
    },
    warn: ({ message, hint }) => {
      progress?.end();
      context.stderr(`warning: ${message}${hint === undefined ? "" : `\nhint: ${hint}`}\n`);
    },
  });
  return client;
}

/** Shows transfers on stderr, unless quiet. */
export function openProgress(context: Context, quiet: boolean, doing?: string): Progress {
  if (quiet) return { show: () => {}, step: () => {}, wait: () => {}, end: () => {} };
  return makeProgress({
    stderr: context.stderr,
    terminal: context.stderrIsTerminal,
    columns: () => terminalColumns() ?? 80,
    now: () => performance.now(),
    ...(doing === undefined ? {} : { doing }),
  });
}
