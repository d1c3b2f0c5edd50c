/**
 * The third wall: the process restricts itself, for the rest of its life, by the kernel's own means (Landlock, seccomp).
 * What is refused is refused whatever code of the process asks, on whichever of its threads.
 */

import {
  type Access,
  ASK_ERRATA,
  ASK_VERSION,
  FULL_ABI,
  type NetworkRight,
  OLDEST_ABI,
  pathRule,
  portRight,
  portRule,
  portRulesetAttribute,
  RESTRICT_ALL_THREADS,
  rightsOf,
  RULE_PATH,
  RULE_PORT,
  rulesetAttribute,
  THREADS_ABI,
} from "./landlock.ts";
import { seccompFilter } from "./seccomp.ts";
import { O_NOFOLLOW, O_PATH, type Syscalls } from "./kernel_calls.ts";
import { OtherThreads } from "./threads.ts";

/** A path with all below it, and what may be done there. What is not there is passed over. */
export interface KeptPath {
  /** Absolute, links followed; with `from` a name in that directory, no link in its place followed, or `.` for itself. */
  readonly path: string;
  readonly access: Access;
  /** An open directory. */
  readonly from?: number | undefined;
}

/** What stays possible. */
export interface Restriction {
  readonly paths: readonly KeptPath[];
  /** Ports that TCP connects to. */
  readonly ports: readonly number[];
  /** Names are looked up: the C library asks servers over UDP and, for long answers, TCP. */
  readonly names: boolean;
  /** Sockets of the file system, where a service that finds names is asked over one. */
  readonly unix: boolean;
}

/**
 * How much of it holds: `full`; `partial` where this kernel can't restrict all of it (docs/security.md), or refused to;
 * `none`, and nothing has changed.
 */
export type Standing = "full" | "partial" | "none";

/** Port of name servers. */
const DOMAIN = 53;

// <sys/prctl.h>, include/uapi/linux/seccomp.h
export const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_FILTER_FLAG_TSYNC = 1;
/** Without the brakes for untrusted code that older kernels put on with a filter: JavaScript engines have their own. */
const SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4;

/** The version of Landlock's interface; 0 where there is none, or it is switched off or refused. */
export function landlockVersion(system: Syscalls): number {
  return Math.max(0, Number(system.call(system.numbers.landlockCreateRuleset, 0, 0, ASK_VERSION)));
}

/** A process that restricted itself. */
export interface Restricted {
  readonly standing: Standing;
  /** Leaves TCP no ports but these, of those that were left to it; for names, where they are looked up, that of servers too. */
  narrow(ports: readonly number[]): void;
}

/** Restricts the process. Not to be undone. Takes the permission `ffi`; what it returns does not. */
export function restrictProcess(system: Syscalls, restriction: Restriction): Restricted {
  const none: Restricted = { standing: "none", narrow() {} };
  const abi = landlockVersion(system);
  const ruleset = abi < OLDEST_ABI ? undefined : makeRuleset(system, restriction, abi);
  if (ruleset === undefined) return none;
  if (system.call(system.numbers.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) !== 0n) return none;
  const threads = abi < THREADS_ABI ? OtherThreads.prepare(system) : undefined;
  const others = enforce(system, ruleset, abi, threads);
  if (!others) return none;
  const filtered = filterCalls(system, restriction);
  const all = others();
  system.close(ruleset);
  return {
    standing: all && filtered && abi >= FULL_ABI ? "full" : "partial",
    narrow(ports) {
      if (abi < FULL_ABI) return;
      const ruleset = makePortRuleset(system, restriction.names ? [...ports, DOMAIN] : ports, abi);
      if (ruleset === undefined) return;
      enforce(system, ruleset, abi, threads)?.();
      system.close(ruleset);
    },
  };
}

/**
 * Restricts all threads by a ruleset. What is returned waits for the others, and tells whether it holds for them, too; undefined
 * where it could not be done at all.
 */
function enforce(
  system: Syscalls,
  ruleset: number,
  abi: number,
  threads: OtherThreads | undefined,
): (() => boolean) | undefined {
  const restrict = (flags: number) => system.call(system.numbers.landlockRestrictSelf, ruleset, flags) === 0n;
  if (abi >= THREADS_ABI && restrict(RESTRICT_ALL_THREADS)) return () => true;
  const others = threads?.restrict(ruleset) ?? (() => false);
  return restrict(0) ? others : undefined;
}

/** The descriptor of a ruleset. */
function makeRuleset(
  system: Syscalls,
  { paths, ports, names, unix }: Restriction,
  abi: number,
): number | undefined {
  const { landlockCreateRuleset } = system.numbers;
  const errata = Math.max(0, Number(system.call(landlockCreateRuleset, 0, 0, ASK_ERRATA)));
  const attribute = rulesetAttribute(abi, { sockets: !unix, errata });
  const ruleset = Number(system.call(landlockCreateRuleset, system.put(attribute), attribute.length, 0));
  if (ruleset < 0) return undefined;
  for (const path of paths) addPath(system, ruleset, path, abi);
  const addPort = (right: NetworkRight, port: number) => addPortRule(system, ruleset, right, port, abi);
  for (const port of new Set(names ? [...ports, DOMAIN] : ports)) addPort("connectTcp", port);
  if (names) {
    addPort("sendUdp", DOMAIN);
    // The C library connects to what it has found, with no port, to learn which address it would be reached from.
    addPort("sendUdp", 0);
    addPort("bindUdp", 0);
  }
  return ruleset;
}

/** The descriptor of a ruleset that is about ports alone. */
function makePortRuleset(system: Syscalls, ports: readonly number[], abi: number): number | undefined {
  const attribute = portRulesetAttribute(abi);
  const { landlockCreateRuleset } = system.numbers;
  const ruleset = Number(system.call(landlockCreateRuleset, system.put(attribute), attribute.length, 0));
  if (ruleset < 0) return undefined;
  addPath(system, ruleset, { path: "/", access: "refer" }, abi);
  for (const port of new Set(ports)) addPortRule(system, ruleset, "connectTcp", port, abi);
  return ruleset;
}

function addPath(system: Syscalls, ruleset: number, { path, access, from }: KeptPath, abi: number): void {
  const fd = system.open(path, O_PATH | (from === undefined || path === "." ? 0 : O_NOFOLLOW), from);
  if (fd < 0) return;
  const add = (isDirectory: boolean) => {
    const rights = rightsOf(access, isDirectory, abi);
    const rule = system.put(pathRule(rights, fd));
    return rights === 0n || system.call(system.numbers.landlockAddRule, ruleset, RULE_PATH, rule, 0) === 0n;
  };
  if (!add(true)) add(false); // the kernel refuses a file what only directories have
  system.close(fd);
}

function addPortRule(
  system: Syscalls,
  ruleset: number,
  right: NetworkRight,
  port: number,
  abi: number,
): void {
  const rights = portRight(right, abi);
  const rule = system.put(portRule(rights, port));
  if (rights !== 0n) system.call(system.numbers.landlockAddRule, ruleset, RULE_PORT, rule, 0);
}

function filterCalls(system: Syscalls, { ports, names, unix }: Restriction): boolean {
  const filter = seccompFilter(Deno.build.arch, Deno.pid, { tcp: ports.length > 0, names, unix });
  const { scratch, view, address } = system;
  // struct sock_fprog, and behind it the program
  view.setBigUint64(0, BigInt(filter.length / 8), true);
  view.setBigUint64(8, address + 16n, true);
  scratch.set(filter, 16);
  const flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
  return system.call(system.numbers.seccomp, SECCOMP_SET_MODE_FILTER, flags, address) === 0n;
}
