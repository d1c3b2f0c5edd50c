/**
 * The law behind grants: what a plugin's run can reach of the machine goes through doors that ask its grants. Only the files
 * named here touch files, network, processes, environment, terminal or the C library, each for a reason; whoever adds to
 * them meets this test.
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));

/** What an expression reaches. */
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

/** The run path: every file of runtime/ that reaches anything, what it reaches, and why it may. */
// deno-fmt-ignore -- one line each
const RUNTIME: Readonly<Record<string, readonly [authorities: string, why: string]>> = {
  // The doors, which ask the grants
  "sandbox/sandbox.ts": ["env files streams sys", "turns grants into a sandbox: private directory, environment, granted paths"],
  "wasi/files/named_tree.ts": ["files node", "a plugin's files, below its mounts"],
  "wasi/files/named_host.ts": ["files", "what stands at paths that are protected from it"],
  "wasi/files/linux/file_calls.ts": ["ffi", "the kernel's file calls, for files_linux.ts, which asks the mounts"],
  "wasi/streams/stdio.ts": ["streams", "a plugin's standard streams"],
  "wasi/terminal/raw_terminal.ts": ["files run streams", "its terminal's modes and size; the guard that puts them back"],
  "base/symlink.ts": ["ffi files", "links that files_by_name.ts has checked"],
  // What transport.ts is made of, which sends requests to the one server that destination.ts allows, and what the user's cluster
  // takes: the plugin has no say in it
  "kube/http/tls_rules.ts": ["env net", "roots of the environment"],
  "kube/http/certificates.ts": ["net", "whether TLS takes them"],
  "kube/sockets/addresses.ts": ["node", "the server's addresses"],
  "kube/auth/certificate_pair.ts": ["node", "whether a certificate and a key belong together"],
  "kube/sockets/dial.ts": ["net", "connections to that server"],
  "kube/sockets/dial_tls.ts": ["net", "the same, with TLS"],
  "kube/sockets/relay.ts": ["net", "a place on loopback that leads there"],
  "kube/sockets/dial_node.ts": ["node", "the same, for TLS that Deno's own lacks"],
  "kube/http/gzip.ts": ["node", "answers that are packed"],
  "kube/open_cluster.ts": ["files", "a Pod's service account"],
  "kube/config/text_file.ts": ["files streams", "the user's kubeconfig and kuberc, and what they name"],
  "kube/config/kubectl_flags.ts": ["files", "whether it is there"],
  "kube/config/connection.ts": ["files", "files that it names"],
  "kube/auth/credential_rotation.ts": ["files", "the same, as they are replaced"],
  "kube/auth/user_credentials.ts": ["files", "tokens that it names"],
  "kube/auth/credential_plugin.ts": ["streams", "whether a credential plugin may ask at the terminal"],
  "base/program_path.ts": ["env files run", "credential plugins that the kubeconfig names, found on PATH"],
  "base/remove_tree.ts": ["files", "the private directory of a run that is over"],
  // Before the plugin, beside it, after it
  "run/run.ts": ["env", "what is set for krew-wasm, the home directory"],
  "run/component.ts": ["code", "the component's JavaScript, its digest checked"],
  "policy/owned_file.ts": ["files sys", "the administrator's files, and who may change them"],
  "policy/bound_path.ts": ["sys", "whether this user may change where a bound leads"],
  "base/account_home.ts": ["files node sys", "whose home a policy means"],
  "sandbox/prompt.ts": ["ffi streams", "questions at the terminal"],
  "sandbox/run_record.ts": ["files", "the record of denials and requests"],
  "run/error_report.ts": ["env streams", "errors on stderr"],
  "sandbox/process_permissions.ts": ["env permissions", "gives up what a run does not need"],
  "sandbox/kernel/kernel_calls.ts": ["ffi files", "calls by which the process restricts itself; whether a file was opened by the path that was meant"],
  "sandbox/kernel/threads.ts": ["ffi", "the same, on each of its threads"],
  "sandbox/kernel/restrict_run.ts": ["files", "which services find names"],
  "sandbox/kernel/support.ts": ["ffi", "what the kernel has, for who asks"],
  "sandbox/broker/asker.ts": ["files streams", "its turn at the terminal"],
  "sandbox/broker/channel.ts": ["ffi", "messages to and from the broker"],
  "sandbox/broker/spawn_broker.ts": ["ffi streams sys", "starts it, before anything is given up"],
  "sandbox/broker/broker_client.ts": ["files", "tokens and certificates that the kubeconfig names, again"],
  // In the broker, a process of its own that the plugin is not in
  "sandbox/broker/broker_main.ts": ["permissions", "gives up the network"],
  "sandbox/broker/questions.ts": ["env", "whether the terminal is a plain one"],
  "sandbox/broker/credential_plugins.ts": ["env", "the environment of credential plugins"],
  "base/host_path.ts": ["files", "real paths of grants"],
  "base/path_walk.ts": ["files", "the links and directories on the way to a granted path"],
  "grants/granted_path.ts": ["files sys", "whether others than this user may change where it leads"],
  "sandbox/mounts.ts": ["files", "a granted directory that is to be made"],
  "store/check.ts": ["files sys", "whose store it is"],
  "store/read.ts": ["files", "receipts"],
  "store/load.ts": ["files", "the compiled form"],
  "store/summary.ts": ["files", "receipts, in short, for the manager"],
  "store/history.ts": ["files", "earlier receipts"],
  "store/log.ts": ["files", "the record, for krew-wasm log"],
};

/** Code without comments and texts: what is named in those does nothing. */
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

Deno.test("only the named files of a run reach files, network, processes, environment or libraries, and what they are named for", async () => {
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

Deno.test("what is left of Deno is harmless", async () => {
  // Whatever is not known to this test is not known to be harmless.
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
    // Nobody takes Deno apart, or reaches it by another name; but the wall, which gives permissions up.
    if (path === "runtime/sandbox/process_permissions.ts") continue;
    if (/\bDeno\[|\bglobalThis\.Deno|=\s*Deno\s*[;,)]|\.\.\.Deno(?!\.)/.test(code)) {
      unknown.push(`${path}: Deno itself`);
    }
  }
  assert.deepEqual(unknown, []);
});

Deno.test("the law sees what it is to see", () => {
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

Deno.test("a sandbox is opened in one place, and with the grants of the run's permission requests", async () => {
  const openers: string[] = [];
  const allRequests: string[] = [];
  for (const room of ["cli", "registry", "runtime"]) {
    for await (const path of sources(room)) {
      const code = bare(await Deno.readTextFile(`${root}${path}`));
      if (/(?<!function )\bopenSandbox\(/.test(code)) openers.push(path);
      if (/\bnew PermissionRequests\(/.test(code)) allRequests.push(path);
    }
  }
  assert.deepEqual(openers, ["runtime/run/run.ts"]);
  // The broker's asks the same questions outside of the wall.
  assert.deepEqual(allRequests.sort(), ["runtime/sandbox/broker/questions.ts", "runtime/sandbox/sandbox.ts"]);
});
