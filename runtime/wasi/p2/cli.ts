/**
 * wasi:cli 0.2.12 (environment, exit, stdin, stdout, stderr, terminal-*) over the sandbox: arguments, environment,
 * standard streams, terminals. It does not use preview2-shim, which treats streams as text and shows no terminal
 * (docs/maintainers/upstream.md, S7).
 */

import type { Sandbox } from "../../sandbox/types.ts";
import { expectSync } from "../streams/stdio.ts";
import type { ByteSink, ByteSource } from "../streams/streams.ts";
import { InputStream, OutputStream } from "./io.ts";

/** `exit` throws it through the component's frames. */
class ComponentExit extends Error {
  constructor(readonly code: number) {
    super(`exit ${code}`);
  }
}

class TerminalInput {}
class TerminalOutput {}

/** Keeps the process's stream open when the guest drops its handle: the guest may get it again. */
function shared(sink: ByteSink): ByteSink {
  return {
    ready: () => sink.ready(),
    wait: () => sink.wait(),
    write: (bytes) => sink.write(bytes),
    capacity: () => sink.capacity(),
    flush: () => sink.flush(),
    close: () => {},
  };
}

/** stdin for a guest that can't poll: it would never see new input, so its nonblocking reads wait. */
function blocking(source: Sandbox["stdin"]): ByteSource {
  return {
    ready: () => source.ready(),
    wait: () => source.wait(),
    read: (into) => source.read(into),
    readAvailable: (into) => source.shared ? source.readAvailable(into) : expectSync(source.read(into)) || -1,
    close: () => {},
  };
}

/**
 * The interfaces by name. `ended` is called before an exit is thrown, because a guest may catch it. `polls` says
 * whether the guest can poll.
 */
export function cliInterfaces(sandbox: Sandbox, polls: boolean, ended: (code: number) => void) {
  const { stdout, stderr, terminals, args, env, cwd } = sandbox;
  const stdin = polls ? sandbox.stdin : blocking(sandbox.stdin);
  const input = new InputStream(stdin);
  const output = new OutputStream(shared(stdout));
  const errors = new OutputStream(shared(stderr));
  const exitWithCode = (code: number): never => {
    ended(code & 0xff);
    throw new ComponentExit(code & 0xff);
  };
  return {
    "wasi:cli/environment": {
      getEnvironment: () => env.map(([name, value]) => [name, value]),
      getArguments: () => [...args],
      initialCwd: () => cwd,
    },
    "wasi:cli/exit": {
      exit: (status: { tag: "ok" | "err" }) => exitWithCode(status.tag === "ok" ? 0 : 1),
      exitWithCode,
    },
    // One handle each: a program may ask for its output with each line and drop nothing
    // (registry/compile/resource_tables.ts).
    "wasi:cli/stdin": { getStdin: () => input },
    "wasi:cli/stdout": { getStdout: () => output },
    "wasi:cli/stderr": { getStderr: () => errors },
    "wasi:cli/terminal-input": { TerminalInput },
    "wasi:cli/terminal-output": { TerminalOutput },
    "wasi:cli/terminal-stdin": { getTerminalStdin: () => terminals.stdin ? new TerminalInput() : undefined },
    "wasi:cli/terminal-stdout": {
      getTerminalStdout: () => terminals.stdout ? new TerminalOutput() : undefined,
    },
    "wasi:cli/terminal-stderr": {
      getTerminalStderr: () => terminals.stderr ? new TerminalOutput() : undefined,
    },
  };
}
