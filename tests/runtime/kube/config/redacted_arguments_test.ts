import assert from "node:assert/strict";
import {
  makePlaceholderToken,
  withKubeconfig,
  withoutSecrets,
} from "../../../../runtime/kube/config/redacted_arguments.ts";
import { parseConnectionFlags } from "../../../../runtime/kube/config/kubectl_flags.ts";
import { fc } from "../../../support/fuzz.ts";

const shown = (...args: string[]) => withoutSecrets(["kubectl-foo", ...args], () => "placeholder").slice(1);

Deno.test("withoutSecrets() replaces tokens and passwords in both notations", () => {
  assert.deepEqual(
    shown("get", "--token=S3CR3T", "--password", "S3CR3T", "--token", "S3CR3T", "--username=jane", "-n", "a"),
    [
      "get",
      "--token=placeholder",
      "--password",
      "placeholder",
      "--token",
      "placeholder",
      "--username=jane",
      "-n",
      "a",
    ],
  );
  assert.deepEqual(shown("--token="), ["--token="]);
  assert.deepEqual(shown("--token"), ["--token"]);
  assert.deepEqual(shown("--token=a\nb"), ["--token=placeholder"]);
  assert.deepEqual(shown("--tokens=a", "--token-file=b", "-token=c"), [
    "--tokens=a",
    "--token-file=b",
    "-token=c",
  ]);
});

Deno.test("withoutSecrets() keeps arguments after --", () => {
  assert.deepEqual(shown("--token=a", "--", "--token=b", "--password", "c"), [
    "--token=placeholder",
    "--",
    "--token=b",
    "--password",
    "c",
  ]);
});

Deno.test("withoutSecrets() shows only the location of --proxy-url", () => {
  assert.deepEqual(
    shown("--proxy-url=socks5://u:S3CR3T@h:1080?S3CR3T", "--proxy-url", "S3CR3T@h", "--proxy-url=http://h:1"),
    [
      "--proxy-url=socks5://h:1080",
      "--proxy-url",
      "h",
      "--proxy-url=http://h:1",
    ],
  );
});

Deno.test("withoutSecrets() shows only the location of --server", () => {
  assert.deepEqual(shown("--server=https://u:S3CR3T@h:1/x?token=S3CR3T", "--server", "u:S3CR3T@h"), [
    "--server=https://h:1/x",
    "--server",
    "http://h",
  ]);
  assert.deepEqual(shown("--server=h:8080", "--server=https://u@[S3CR3T"), ["--server=h:8080", "--server="]);
});

Deno.test("a plugin's arguments contain no token or password that the host parsed", () => {
  const word = fc.constantFrom(
    "--token",
    "--password",
    "--token=S1",
    "--password=S2",
    "S3",
    "-n",
    "--context",
    "--",
    "x",
  );
  fc.assert(fc.property(fc.array(word, { maxLength: 6 }), (args) => {
    const [real, seen] = [parseConnectionFlags(args), parseConnectionFlags(shown(...args))];
    for (const field of ["token", "password"] as const) {
      assert.equal(seen[field], real[field] === undefined ? undefined : "placeholder", args.join(" "));
    }
  }));
});

Deno.test("makePlaceholderToken() returns a new token each time", () => {
  assert.notEqual(makePlaceholderToken(), makePlaceholderToken());
});

Deno.test("withKubeconfig() replaces the file, up to --", () => {
  assert.deepEqual(
    withKubeconfig(
      ["p", "--kubeconfig=a", "--kubeconfig", "b", "--kubeconfig=", "--", "--kubeconfig=c"],
      "/x",
    ),
    ["p", "--kubeconfig=/x", "--kubeconfig", "/x", "--kubeconfig=", "--", "--kubeconfig=c"],
  );
});
