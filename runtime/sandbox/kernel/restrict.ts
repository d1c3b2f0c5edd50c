/**
 * The third wall: the process restricts itself with the kernel's own mechanisms (Landlock, seccomp), for the rest of its
 * life. The restriction applies to all code of the process, on all its threads.
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
import type { ListenGrant } from "../../grants/listen_grant.ts";
import { seccompFilter } from "./seccomp.ts";
import { O_NOFOLLOW, O_PATH, type Syscalls } from "./kernel_calls.ts";
import { OtherThreads } from "./threads.ts";

/** A path with everything below it, and the allowed access. A missing path is skipped. */
export interface KeptPath {
  /** Absolute, links are followed. With `from`: a name in that directory, not a link, or `.` for the directory itself. */
  readonly path: string;
  readonly access: Access;
  /** An open directory. */
  readonly from?: number | undefined;
}

/** What the process may still do. */
export interface Restriction {
  readonly paths: readonly KeptPath[];
  /** TCP ports to connect to. */
  readonly ports: readonly number[];
  /** TCP ports to accept connections at; undefined for none. */
  readonly listen: ListenGrant | undefined;
  /** Resolve names: the C library asks servers over UDP and, for long answers, TCP. */
  readonly names: boolean;
  /** Use sockets in the file system, for a name service that needs one. */
  readonly unix: boolean;
}

/**
 * How much of the restriction stands: `full`; `partial` if this kernel cannot restrict everything (docs/security.md), or
 * refused a part; `none` if nothing changed.
 */
export type Standing = "full" | "partial" | "none";

/** The port of name servers. */
const DOMAIN = 53;

// <sys/prctl.h>, include/uapi/linux/seccomp.h
export const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_FILTER_FLAG_TSYNC = 1;
/** Without the mitigations that older kernels add for untrusted code with a filter: JavaScript engines have their own. */
const SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4;

/** The version of Landlock's interface; 0 if it is missing, switched off or refused. */
export function landlockVersion(system: Syscalls): number {
  return Math.max(0, Number(system.call(system.numbers.landlockCreateRuleset, 0, 0, ASK_VERSION)));
}

/** The result of a restriction. */
export interface Restricted {
  readonly standing: Standing;
  /** Reduces the TCP ports to these, and to the name servers' port if names are resolved. */
  narrow(ports: readonly number[]): void;
}

/** Restricts the process irrevocably. Needs the permission `ffi`; the result does not. */
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
 * Restricts all threads by a ruleset. The result waits for the other threads, and says whether the ruleset applies to them
 * too; undefined if nothing could be restricted.
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

/** Makes a ruleset and returns its descriptor. */
function makeRuleset(
  system: Syscalls,
  { paths, ports, listen, names, unix }: Restriction,
  abi: number,
): number | undefined {
  const { landlockCreateRuleset } = system.numbers;
  const errata = Math.max(0, Number(system.call(landlockCreateRuleset, 0, 0, ASK_ERRATA)));
  const attribute = rulesetAttribute(abi, { sockets: !unix, listening: listen !== "all", errata });
  const ruleset = Number(system.call(landlockCreateRuleset, system.put(attribute), attribute.length, 0));
  if (ruleset < 0) return undefined;
  for (const path of paths) addPath(system, ruleset, path, abi);
  const addPort = (right: NetworkRight, port: number) => addPortRule(system, ruleset, right, port, abi);
  for (const port of new Set(names ? [...ports, DOMAIN] : ports)) addPort("connectTcp", port);
  if (listen !== "all") { for (const port of listen ?? []) addPort("bindTcp", port); }
  if (names) {
    addPort("sendUdp", DOMAIN);
    // To learn its own address, the C library connects to the resolved one, without a port.
    addPort("sendUdp", 0);
    addPort("bindUdp", 0);
  }
  return ruleset;
}

/** Makes a ruleset for ports alone and returns its descriptor. */
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
  if (!add(true)) add(false); // on a file, the kernel refuses the rights of directories
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

function filterCalls(system: Syscalls, { ports, listen, names, unix }: Restriction): boolean {
  const filter = seccompFilter(Deno.build.arch, Deno.pid, {
    tcp: ports.length > 0 || listen !== undefined,
    listens: listen !== undefined,
    names,
    unix,
  });
  const { scratch, view, address } = system;
  // struct sock_fprog, followed by the program
  view.setBigUint64(0, BigInt(filter.length / 8), true);
  view.setBigUint64(8, address + 16n, true);
  scratch.set(filter, 16);
  const flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
  return system.call(system.numbers.seccomp, SECCOMP_SET_MODE_FILTER, flags, address) === 0n;
}
