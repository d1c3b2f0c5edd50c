/** Filters a plugin's completions for a shell. */

import assert from "node:assert/strict";
import {
  CompletionRun,
  filterCompletions,
  plainDescription,
} from "../../../runtime/run/completion_filter.ts";
import { ClosedPipe } from "../../../runtime/wasi/streams/stdio.ts";
import { isCompleting, parseInvocation } from "../../../runtime/run/invocation.ts";
import { fc, fuzz } from "../../support/fuzz.ts";

const filtered = (answer: string, ...words: string[]) =>
  filterCompletions(answer, words.length === 0 ? [""] : words);

Deno.test("lets through harmless words, descriptions and directives", () => {
  assert.equal(
    filtered(
      "alpha\tthe first\nbeta\tder zweite, für später\n--all-namespaces\tall of them\n-n\ndemo/web:8080\na=b,c\n:4\n",
    ),
    "alpha\tthe first\nbeta\tder zweite, für später\n--all-namespaces\tall of them\n-n\ndemo/web:8080\na=b,c\n:4\n",
  );
  assert.equal(filtered("alpha\r\nbeta\r\n:36\r\n"), "alpha\nbeta\n:36\n");
  assert.equal(filtered("alpha\nbeta"), "alpha\nbeta\n:0\n");
  assert.equal(filtered(""), ":0\n");
  assert.equal(filtered(":2\n\n"), ":2\n");
});

Deno.test("leaves out words with characters that a shell interprets", () => {
  for (
    const word of [
      ...[
        "$(touch P)",
        "`touch P`",
        "$HOME",
        "${IFS}",
        "a;b",
        "a|b",
        "a&b",
        "a>b",
        "a<b",
        "(a)",
        "{a,b}",
        "[a]",
        "a*",
        "a?",
      ],
      ...[
        "~",
        "~root",
        "!!",
        "a!b",
        "#a",
        "a#b",
        "a^b",
        "%self",
        "a%b",
        "'a'",
        '"a"',
        "a\\b",
        "a b",
        " a",
        "a\vb",
        "a\x1b[2J",
      ],
      ...[
        "=ls",
        ":4",
        ":a",
        ",a",
        "_activeHelp_ text",
        "é",
        "日本",
        "a\u200b",
        "a\u2800",
        "\u202ea",
        "\ufeffa",
        "a\u00a0b",
        "a\x85b",
      ],
      "x".repeat(300),
    ]
  ) {
    assert.equal(filtered(`${word}\nalpha\n:4\n`), "alpha\n:4\n", JSON.stringify(word));
    assert.equal(filtered(`${word}\tabout\n:4\n`), ":4\n", JSON.stringify(word));
  }
});

Deno.test("leaves out repeated words, whose prefix bash would insert", () => {
  assert.equal(filtered("x\t$(touch P)\nx\t$(touch P)\n:4\n"), "x\ttouch P\n:4\n");
});

Deno.test("descriptions keep letters, digits and a few signs", () => {
  assert.equal(
    plainDescription("it's $(touch P); `x` <b> \x1b[2J\u202e %F{red} 100% (of 2) “q”"),
    "it s touch P x b 2J F red 100 of 2 q",
  );
  assert.equal(plainDescription("日本 עברית é, a/b: c=d"), "日本 עברית é, a/b: c=d");
  assert.equal(plainDescription(`\u3164\u2800${"\u0301".repeat(9)}`), "");
  assert.equal(plainDescription("x".repeat(500)).length, 80);
  assert.equal(plainDescription("\u{20000}".repeat(500)), "\u{20000}".repeat(80), "no half of a character");
  assert.equal(filtered("a\tone\ttwo\n:4\n"), "a\tone two\n:4\n");
});

Deno.test("lets through known directives, and plain file extensions", () => {
  for (const line of [":a[$(touch P)]", ":-1", ":4.", ":0x4", ": 4", ":99999", ":4 ", "::4", ":"]) {
    assert.equal(filtered(`alpha\n${line}\n`), "alpha\n:0\n", line);
  }
  assert.equal(filtered("alpha\n:4095\n"), ":55\n", "unknown bits are dropped");
  assert.equal(filtered("alpha\n:64\n"), "alpha\n:0\n");
  assert.equal(filtered("yaml\n.json\n*.yml\n:8\n"), "yaml\njson\nyml\n:8\n");
  for (const word of ["$(touch P)", "a'b", "y*", "[a-z]", "a|b", "x".repeat(20), "a b", "e:x"]) {
    assert.equal(filtered(`yaml\n${word}\n:8\n`), ":0\n", `${word}: all files`);
  }
  assert.equal(filtered(":8\n"), ":0\n");
  assert.equal(filtered("$(touch P)\n:16\n"), ":16\n");
  assert.equal(filtered("sub\n:16\n"), ":16\n");
});

Deno.test("leaves out values of flags that lead krew-wasm elsewhere", () => {
  const answer = "k\nhttps://evil\n/tmp/k\n:4\n";
  for (
    const flag of [
      "--kubeconfig",
      "--server",
      "--token",
      "--as",
      "--certificate-authority",
      "--client-key",
      "--as-group",
    ]
  ) {
    assert.equal(filtered(answer, flag, ""), ":4\n", `${flag} VALUE`);
    assert.equal(filtered(answer, `${flag}=`), ":4\n", `${flag}=VALUE`);
    assert.equal(
      filtered(`${flag}=/tmp/k\n${flag}\n${flag}=\n:4\n`, "--"),
      `${flag}\n${flag}=\n:4\n`,
      `${flag}=VALUE whole`,
    );
  }
  assert.equal(filtered("--insecure-skip-tls-verify\n--insecure-skip-tls-verify=true\n:4\n", "--i"), ":4\n");
  assert.equal(
    filtered("--insecure-skip-tls-verify-a\n--insecure-skip-tls-verify-b\n--insecure\n:4\n", "--"),
    "--insecure\n:4\n",
    "what two of them share is put on the command line",
  );
  assert.equal(
    filtered("--context=prod\n--namespace=demo\n-ndemo\n:4\n", "-"),
    "--context=prod\n--namespace=demo\n-ndemo\n:4\n",
  );
  assert.equal(filtered("prod\n:4\n", "--context", ""), "prod\n:4\n");
  // Incomplete words as shells pass them: with "=" or ":" in the value, split by bash, quoted by fish.
  const url = "//evil\n:4\n";
  for (
    const words of [
      ["--server=https:"],
      ["--server=https", ":", "//"],
      ["--server", "=", "https", ":", ""],
      ["--server=me", "@", ""],
      ["--kubeconfig=a=b="],
      ["'--server='"],
      ['--server=""'],
      ["--se\\rver="],
    ]
  ) assert.equal(filtered(url, ...words), ":4\n", JSON.stringify(words));
  assert.equal(filtered(url, "--url=https", ":", "//"), url);
  assert.equal(filtered("8080\n:4\n", "demo/web:"), "8080\n:4\n");
  assert.equal(
    filtered("/tmp/k\n:4\n", "--", "--kubeconfig", ""),
    "/tmp/k\n:4\n",
    "behind -- it is the plugin's own",
  );
});

Deno.test("any output becomes harmless words, plain descriptions and a number", async () => {
  const part = fc.constantFrom(
    ..."ab$`();|&<>{}[]*?~!#^%'\"\\ \t\n\r:=,@+-_/.0\x1b\x07\u202e\u2800\u3164é日",
    "\n:4\n",
    "\n:8\n",
    "\n:16\n",
    "--kubeconfig=",
  );
  const line = /^[\w.+@/-][\w.:=+@,/-]*(?:\t[\p{L}\p{N}\p{M} .,:/+=@_-]+)?$/u;
  const text = fc.oneof(fc.string({ unit: "binary" }), fc.array(part).map((all) => all.join("")));
  await fuzz(
    "completions",
    fc.property(text, fc.array(text, { minLength: 1, maxLength: 3 }), (answer, words) => {
      const shown = filterCompletions(answer, words);
      const lines = shown.split("\n");
      assert.equal(lines.pop(), "");
      assert.match(lines.pop()!, /^:(?:\d|[1-5]\d|6[0-3])$/);
      for (const each of lines) assert.match(each, line);
      const completed = lines.map((each) => each.split("\t")[0]!);
      assert.equal(new Set(completed).size, completed.length);
      if (words.slice(0, -1).includes("--")) return; // words after it are the plugin's own
      assert.ok(completed.every((word) => !word.startsWith("--kubeconfig=") || word === "--kubeconfig="));
    }),
  );
});

Deno.test("limits lines, words and the answer, and ends a plugin that exceeds them", () => {
  const many = filtered(Array.from({ length: 20_000 }, (_, index) => `w${index}\n`).join("") + ":4\n");
  assert.equal(many.split("\n").length, 5002);
  assert.ok(many.endsWith("\n:4\n"));
  const run = new CompletionRun(["__complete", ""], false);
  const bytes = new Uint8Array(600_000).fill(97);
  run.streams.stdout.write(bytes);
  assert.throws(() => run.streams.stdout.write(bytes), ClosedPipe);
});

Deno.test("a completing plugin reads no input, and its stderr is hidden", () => {
  const run = new CompletionRun(["__complete", "al"], false);
  assert.equal(run.streams.stdin.read(new Uint8Array(8)), 0);
  assert.equal(run.streams.stderr.write(new TextEncoder().encode("\x1b[2J")), 4);
  run.streams.stdout.write(new TextEncoder().encode("alp"));
  run.streams.stdout.write(new TextEncoder().encode("ha\n:4\n"));
  assert.equal(run.answer(), "alpha\n:4\n");
});

Deno.test("isCompleting() recognizes the calls of kubectl and cobra's scripts", () => {
  const { args } = parseInvocation("/bin/kubectl_complete-foo", ["a", ""]);
  assert.ok(isCompleting(args));
  assert.ok(isCompleting(["__completeNoDesc", ""]));
  assert.ok(!isCompleting(["complete"]) && !isCompleting([]) && !isCompleting(["x", "__complete"]));
});
