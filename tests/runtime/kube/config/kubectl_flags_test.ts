import assert from "node:assert/strict";
import { temporaryDirectory } from "../../../support/temporary.ts";
import {
  absolute,
  kubeconfigPaths,
  parseConnectionFlags,
} from "../../../../runtime/kube/config/kubectl_flags.ts";
import { parseTimeout } from "../../../../runtime/kube/config/go_duration.ts";

Deno.test("parseConnectionFlags() parses kubectl's flags in every spelling", () => {
  assert.deepEqual(parseConnectionFlags(["--context", "a", "x", "--namespace=b"]), {
    context: "a",
    namespace: "b",
  });
  assert.deepEqual(parseConnectionFlags(["-n", "a"]), { namespace: "a" });
  assert.deepEqual(parseConnectionFlags(["-na"]), { namespace: "a" });
  assert.deepEqual(parseConnectionFlags(["-n=a"]), { namespace: "a" });
  assert.deepEqual(parseConnectionFlags(["--as", "u", "--as-group=g", "--as-group", "h"]), {
    as: "u",
    asGroup: ["g", "h"],
  });
  assert.deepEqual(parseConnectionFlags(["--insecure-skip-tls-verify"]), { insecureSkipTlsVerify: true });
  assert.deepEqual(parseConnectionFlags(["--insecure-skip-tls-verify=false"]), {
    insecureSkipTlsVerify: false,
  });
});

Deno.test("parseConnectionFlags() uses the last value, stops at -- and ignores other flags", () => {
  assert.deepEqual(parseConnectionFlags(["--context=a", "--context=b"]), { context: "b" });
  assert.deepEqual(parseConnectionFlags(["--", "--context=a"]), {});
  assert.deepEqual(
    parseConnectionFlags(["--verbose", "--constructor=x", "-s", "https://x", "--context"]),
    {},
  );
});

Deno.test("parseConnectionFlags() ignores empty flags and reports mistakes later", () => {
  assert.deepEqual(parseConnectionFlags(["--context=a", "--context=", "--token", ""]), {});
  assert.match(
    parseConnectionFlags(["--disable-compression=maybe"]).problem!,
    /--disable-compression="maybe"/,
  );
});

Deno.test("kubeconfigPaths() follows kubectl's rules", () => {
  const there = (...names: string[]) => (path: string) => names.includes(path);
  assert.deepEqual(kubeconfigPaths({}, [], "/h", "/w", there("/h/.kube/config")), {
    paths: ["/h/.kube/config"],
    written: [],
    named: false,
    redactedPath: "/h/.kube/config",
  });
  assert.deepEqual(kubeconfigPaths({ KUBECONFIG: ":/a:b::/a" }, [], "/h", "/w", there("/w/b")), {
    paths: ["/a", "/w/b"],
    written: [],
    named: true,
    redactedPath: "/w/b",
  });
  assert.deepEqual(kubeconfigPaths({ KUBECONFIG: "/a" }, ["--kubeconfig=c"], "/h", "/w", there()), {
    paths: ["/w/c"],
    written: [],
    named: true,
    redactedPath: undefined,
  });
});

Deno.test({
  name: "kubeconfigPaths() leaves `..` behind a link to the system, as kubectl does",
  ignore: Deno.build.os === "windows",
  fn() {
    const base = temporaryDirectory();
    Deno.mkdirSync(`${base}/real/sub`, { recursive: true });
    Deno.mkdirSync(`${base}/w`);
    Deno.symlinkSync("../real/sub", `${base}/w/link`);
    Deno.writeTextFileSync(`${base}/real/config`, "");
    const path = `${base}/w/link/../config`;
    assert.deepEqual(kubeconfigPaths({ KUBECONFIG: path }, [], "/h", "/w"), {
      paths: [`${base}/real/config`],
      written: [path],
      named: true,
      redactedPath: `${base}/real/config`,
    });
    const { paths, written } = kubeconfigPaths({ KUBECONFIG: "../c" }, [], "/h", base);
    assert.deepEqual([paths, written], [[base.replace(/\/[^/]*$/, "/c")], [`${base}/../c`]]);
    Deno.removeSync(base, { recursive: true });
  },
});

Deno.test("absolute() resolves dots against the directory", () => {
  assert.equal(absolute("../a/./b//c", "/x/y"), "/x/a/b/c");
  assert.equal(absolute("/a/../../b", "/x"), "/b");
});

Deno.test("parseTimeout() parses seconds and Go's durations", () => {
  assert.deepEqual(["0", "30", "1m30s", "500ms", "1.5s", "-1s", undefined].map(parseTimeout), [
    undefined,
    30000,
    90000,
    500,
    1500,
    undefined,
    undefined,
  ]);
  for (const text of ["soon", "-1", "1x", "1m30", "s", "1 s"]) {
    assert.throws(() => parseTimeout(text), { code: "USAGE" }, text);
  }
});
