/**
 * Checks which sources may use the machine. On the path of a plugin's run, only the files named here use files, network,
 * processes, environment, terminal or the C library, each for a reason. Add a new file here, with its reason.
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));

/** Expressions that use the machine, by authority. */
const AUTHORITIES: readonly (readonly [authority: string, expression: RegExp])[] = [
  [
    "files",
    /\bDeno\.(?:open|create(?!HttpClient)|read|write|stat|lstat|mkdir|make|remove|rename|copy|link|symlink|chmod|chown|utime|lutime|truncate|realPath|watchFs|umask)/,
  ],
  [
    "net",
    /(?:^|[^.\w#$])fetch\(|globalThis\.fetch|\bnew (?:WebSocket|EventSource|WebTransport)\(|\bDeno\.(?:connect|listen|createHttpClient|resolveDns|startTls|serve)/,
  ],
  ["run", /\bnew Deno\.Command\(|\bDeno\.(?:kill|run|exit)\b|\bnew Worker\(/],
  ["env", /\bDeno\.env\b/],
  [
    "sys",
    /\bDeno\.(?:uid|gid|hostname|osRelease|osUptime|loadavg|systemMemoryInfo|networkInterfaces|execPath|cwd|chdir)\b/,
  ],
  ["ffi", /\bDeno\.dlopen\b|\bDeno\.Unsafe/],
  ["permissions", /\bDeno\.permissions\b/],
  [
    "streams",
    /\bDeno\.(?:stdin|stdout|stderr)\b|\bDeno\.(?:consoleSize|addSignalListener|removeSignalListener)\b/,
  ],
  ["node", /\bgetBuiltinModule\b|(?:\bfrom|\bimport\()\s*["']node:/],
  ["code", /\bnew Function\(|(?:^|[^.\w])eval\(|\bimport\((?!\s*["'])/],
];

/** The files of runtime/ that use the machine: their authorities, and the reason. */
// deno-fmt-ignore -- one file a line
const RUNTIME: Readonly<Record<string, readonly [authorities: string, why: string]>> = {
  // Interfaces of the plugin, which check its grants
  "sandbox/sandbox.ts": ["sys", "the user's environment and current directory"],
  "sandbox/private_directory.ts": ["files", "makes and removes a plugin's private directory"],
  "sandbox/plugin_files.ts": ["sys", "protects the files of the user and the binary"],
  "sandbox/plugin_terminal.ts": ["streams", "whether the standard streams are terminals"],
  "sandbox/give_up_rights.ts": ["files sys", "makes the log directory before the kernel allows no new ones"],
  "wasi/files/named/deno_calls.ts": ["files node", "a plugin's files below its mounts, by paths that named_tree.ts has checked"],
  "wasi/files/named/named_host.ts": ["files permissions", "identities of protected paths; asks whether links can still be read"],
  "wasi/files/linux/libc_calls.ts": ["ffi", "the kernel's file calls, for linux_tree.ts, which checks the mounts"],
  "wasi/streams/stdio.ts": ["streams", "a plugin's standard streams"],
  "wasi/loopback_listener.ts": ["net", "listens where open_listener.ts allows it: on loopback, at granted ports"],
  "wasi/terminal/output_mode.ts": ["ffi", "switches off what a terminal changes in output"],
  "wasi/terminal/raw_terminal.ts": ["files run streams", "the terminal's modes and size, and the process that restores them"],
  "base/environment.ts": ["env", "all variables, for the sandbox and for credential plugins"],
  "base/write_in_place.ts": ["files", "kubeconfigs and registries' credentials, in place"],
  "base/symlink.ts": ["ffi files", "links that named_tree.ts has checked"],
  // Requests of cluster_transport.ts to the one server that destination.ts allows, and the user's kubeconfig and
  // credentials. The plugin does not influence these.
  "kube/http/tls_rules.ts": ["env net", "trust roots in the environment"],
  "kube/http/certificates.ts": ["net", "checks that TLS accepts a certificate"],
  "kube/sockets/addresses.ts": ["node", "the server's addresses"],
  "kube/auth/certificate_pair.ts": ["node", "checks that a certificate and a key match"],
  "kube/sockets/dial.ts": ["net", "connections to the API server"],
  "kube/sockets/dial_tls.ts": ["net", "TLS connections to the API server"],
  "kube/sockets/raw_sockets.ts": ["permissions", "whether the run still has a network"],
  "kube/sockets/relay.ts": ["net", "a loopback port that forwards to the API server"],
  "kube/sockets/dial_node.ts": ["node", "TLS connections with features that Deno lacks"],
  "kube/http/gzip.ts": ["node", "compressed responses"],
  "kube/open_cluster.ts": ["files", "a Pod's service account"],
  "kube/config/text_file.ts": ["files streams", "the user's kubeconfig and kuberc, and what they name"],
  "kube/config/kubectl_flags.ts": ["files", "checks whether the kubeconfig exists"],
  "kube/config/changes/write_kubeconfigs.ts": ["files", "changes of contexts, as a person or a grant allowed"],
  "kube/config/make_connection.ts": ["files", "files that the kubeconfig names"],
  "kube/auth/credential_rotation.ts": ["files", "files that the kubeconfig names, after their rotation"],
  "kube/auth/user_credentials.ts": ["files", "token files that the kubeconfig names"],
  "kube/auth/credential_plugin.ts": ["streams", "whether a credential plugin may ask at the terminal"],
  "base/program_path.ts": ["env files run", "finds credential plugins on PATH"],
  "base/remove_tree.ts": ["files", "removes what plugins filled"],
  // Before, beside and after the plugin
  "run/run.ts": ["env", "krew-wasm's variables and the home directory"],
  "run/what_if_run.ts": ["env streams", "prints what a run would have changed"],
  "run/component.ts": ["code", "the component's JavaScript, after checking its digest"],
  "policy/owned_file.ts": ["files sys", "the administrator's files, their owners and modes, and the user namespace"],
  "base/account_home.ts": ["files node sys", "the home directory that a policy means"],
  "sandbox/prompt.ts": ["streams", "whether a person is at the terminal"],
  "sandbox/controlling_terminal.ts": ["ffi streams", "questions at the terminal"],
  "sandbox/run_record.ts": ["files", "the record of denials and requests"],
  "run/error_report.ts": ["env streams", "errors on stderr"],
  "sandbox/process_permissions.ts": ["env permissions", "gives up permissions that a run does not need"],
  "sandbox/kernel/kernel_calls.ts": ["ffi files", "Landlock and seccomp, and the check that a file was opened by the intended path"],
  "sandbox/kernel/threads.ts": ["ffi", "restricts each thread"],
  "sandbox/kernel/restrict_run.ts": ["files", "the configuration of name resolution"],
  "sandbox/kernel/support.ts": ["ffi", "detects what the kernel supports"],
  "sandbox/broker/asker.ts": ["files streams", "the lock for questions at the terminal"],
  "sandbox/broker/channel.ts": ["ffi", "messages to and from the broker"],
  "sandbox/broker/spawn_broker.ts": ["ffi streams sys", "starts the broker before the process gives anything up"],
  "sandbox/broker/broker_client.ts": ["files", "tokens and certificates that the kubeconfig names, after their rotation"],
  // In the broker, a separate process without the plugin
  "sandbox/broker/broker_main.ts": ["permissions", "gives up the network"],
  "sandbox/broker/questions.ts": ["env", "detects simple terminals"],
  "base/host_path.ts": ["files", "real paths of grants"],
  "base/path_walk.ts": ["files", "the links and directories on the way to a granted path"],
  "grants/granted_path.ts": ["files sys", "checks whether other users may change a path's target"],
  "sandbox/obeyed_contents.ts": ["files", "finds links in the store and in settings, so that their targets are protected"],
  "sandbox/mounts.ts": ["files", "makes a granted directory"],
  "store/check.ts": ["files sys", "the owner of the store"],
  "store/read.ts": ["files", "receipts"],
  "store/load_form.ts": ["files", "the compiled form"],
  "store/verified.ts": ["files", "which modules of the compiled form have had the right digest"],
  "store/map_file.ts": ["ffi", "the compiled form, mapped instead of read"],
  "store/summary.ts": ["files", "summaries of receipts, for the manager"],
  "store/history.ts": ["files", "earlier receipts"],
  "store/log.ts": ["files", "the records for krew-wasm log"],
};

/** Code without comments. */
function bare(source: string): string {
  return source
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/(^|[\s;{(,])\/\/.*$/gm, "$1");
}

async function* sources(directory: string): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(`${root}${directory}`)) {
    const path = `${directory}/${name}`;
    if (isDirectory) yield* sources(path);
    else if (name.endsWith(".ts") && !name.endsWith(".d.ts")) yield path;
  }
}

async function reached(path: string): Promise<string[]> {
  const code = bare(await Deno.readTextFile(`${root}${path}`));
  return AUTHORITIES.filter(([, expression]) => new RegExp(expression, "m").test(code)).map(([name]) => name)
    .sort();
}

Deno.test("only the listed files use the machine, and only the listed authorities", async () => {
  const found: Record<string, string> = {};
  for await (const path of sources("runtime")) {
    const authorities = await reached(path);
    if (authorities.length > 0) found[path.slice("runtime/".length)] = authorities.join(" ");
  }
  const named = Object.fromEntries(
    Object.entries(RUNTIME).filter(([, [authorities]]) => authorities !== "").map((
      [path, [authorities]],
    ) => [path, authorities]),
  );
  assert.deepEqual(
    Object.fromEntries(Object.entries(found).sort()),
    Object.fromEntries(Object.entries(named).sort()),
    "name the file in tests/authority_test.ts, with the reason why it may",
  );
});

Deno.test("runtime/ uses no unknown function of Deno", async () => {
  const harmless =
    /^Deno\.(?:errors|build|version|SeekMode|FsFile|FileInfo|DirEntry|HttpClient|ConnectionInfo|NetAddr|Conn|TlsConn|TcpConn|TcpListener|Addr|pid|ppid|args|inspect|Pointer\w*|ForeignLibrary\w*|DynamicLibrary|ChildProcess|CommandOutput|Permission\w*|Signal|CreateHttpClientOptions|\w*Options|NativeResultType|unrefTimer|refTimer|TlsCertifiedKeyPem)\b/;
  const unknown: string[] = [];
  for await (const path of sources("runtime")) {
    const code = bare(await Deno.readTextFile(`${root}${path}`));
    for (const [member] of code.matchAll(/\bDeno\.\w+/g)) {
      const known = harmless.test(member) ||
        AUTHORITIES.some(([, expression]) =>
          expression.test(`${member}(`) || expression.test(`new ${member}(`)
        );
      if (!known) unknown.push(`${path}: ${member}`);
    }
    // No file may use Deno under another name, except the one that gives up permissions.
    if (path === "runtime/sandbox/process_permissions.ts") continue;
    if (/\bDeno\[|\bglobalThis\.Deno|=\s*Deno\s*[;,)]|\.\.\.Deno(?!\.)/.test(code)) {
      unknown.push(`${path}: Deno itself`);
    }
  }
  assert.deepEqual(unknown, []);
});

Deno.test("the expressions find every use of the machine", () => {
  const hits = (code: string) =>
    AUTHORITIES.filter(([, expression]) => expression.test(bare(code))).map(([name]) => name);
  for (
    const [code, authority] of [
      ["Deno.readTextFileSync(path)", "files"],
      ["await Deno.open(x)", "files"],
      ["return fetch(url)", "net"],
      ["Deno.connectTls({})", "net"],
      ["new Deno.Command(x)", "run"],
      ["new Worker(x)", "run"],
      ["Deno.env.get", "env"],
      ["Deno.dlopen(x, {})", "ffi"],
      ["const f = await import(path)", "code"],
      ["import(`./${name}`)", "code"],
      ["new Function(x)", "code"],
      ['import fs from "node:fs"', "node"],
      ['await import("node:fs")', "node"],
    ] as const
  ) assert.ok(hits(code).includes(authority), code);
  for (
    const code of [
      "// Deno.open(x)",
      "/* fetch(x) */",
      'import("./x.ts")',
      "this.#fetch(x)",
      "client.fetch(x)",
      "Deno.build.os",
    ]
  ) {
    assert.deepEqual(hits(code), [], code);
  }
});

Deno.test("only run.ts opens a sandbox", async () => {
  const openers: string[] = [];
  const allRequests: string[] = [];
  for (const folder of ["cli", "registry", "runtime"]) {
    for await (const path of sources(folder)) {
      const code = bare(await Deno.readTextFile(`${root}${path}`));
      if (/(?<!function )\bopenSandbox\(/.test(code)) openers.push(path);
      if (/\bnew PermissionRequests\(/.test(code)) allRequests.push(path);
    }
  }
  assert.deepEqual(openers, ["runtime/run/run.ts"]);
  // The broker asks the same questions outside of the kernel's restrictions.
  assert.deepEqual(allRequests.sort(), ["runtime/sandbox/broker/questions.ts", "runtime/sandbox/sandbox.ts"]);
});
