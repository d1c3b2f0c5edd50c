/** Parses the arguments of the TypeScript examples. Skips kubectl's connection flags, which the host has read. */

import { fail } from "./plugin.ts";

/** kubectl's connection flags with a value. */
const CONNECTION = new Set([
  ...[
    "--context",
    "--kubeconfig",
    "--cluster",
    "--user",
    "--namespace",
    "-n",
    "--as",
    "--as-group",
    "--as-uid",
  ],
  ...[
    "--request-timeout",
    "--server",
    "--token",
    "--certificate-authority",
    "--client-certificate",
    "--client-key",
    "--tls-server-name",
    "--proxy-url",
    "--username",
    "--password",
    "--as-user-extra",
  ],
]);

const CONNECTION_SWITCHES = new Set(["--insecure-skip-tls-verify", "--disable-compression"]);

/** The parsed arguments. */
export interface Flags {
  readonly operands: string[];
  readonly values: Record<string, string>;
  readonly switches: Set<string>;
}

/** Parses arguments. `known` maps each flag to its long name; names ending in `=` take a value. Fails with exit code 2. */
export function parseFlags(args: string[], known: Record<string, string>, usage: string): Flags {
  const flags: Flags = { operands: [], values: {}, switches: new Set() };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    const [name = "", inline] = arg.split(/=(.*)/s);
    const long = known[name] ?? known[`${name}=`];
    if (arg === "--") {
      flags.operands.push(...args.slice(i + 1));
      break;
    } else if (!arg.startsWith("-")) flags.operands.push(arg);
    else if (CONNECTION.has(name)) i += inline === undefined ? 1 : 0;
    else if (/^-n./.test(arg) || CONNECTION_SWITCHES.has(name)) continue;
    else if (long === undefined) fail(`unknown argument "${arg}"\n\n${usage}`, 2);
    else if (known[`${name}=`] !== undefined) {
      flags.values[long] = inline ?? args[++i] ?? fail(`${name} needs a value\n\n${usage}`, 2);
    } else flags.switches.add(long);
  }
  return flags;
}
