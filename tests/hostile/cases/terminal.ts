import assert from "node:assert/strict";
import { atTerminal, terminalMissing } from "../../support/terminal.ts";
import type { Group } from "../case.ts";
import type { Stage } from "../stage.ts";

const skip = () => terminalMissing() ? "there is no program that makes a terminal" : undefined;

/** Runs the plugin at a terminal whose user gives one answer to every question. Returns the output and the screen's text. */
async function asked(
  stage: Stage,
  words: readonly string[],
  answer: string,
): Promise<{ told: string; text: string; raw: string }> {
  const line = words.map((word) => `'${stage.expand(word).replaceAll("'", `'\\''`)}'`).join(" ");
  const { text, raw } = await atTerminal(
    stage.product,
    `krew-wasm run --allow-cluster=read-only attack-network -- ${line}`,
    [["[n]o", answer]],
  );
  return { told: /(\d{3}) [{]/.exec(text)?.[1] ?? text, text, raw };
}

const DELETE = ["request", "delete", "$SERVER/api/v1/namespaces/default/pods/web", ""];

/** Deciding in the user's place. */
export const TERMINAL: Group = {
  title: "the user's decisions",
  cases: [
    {
      tries: "answer the question itself, on its output",
      granted: "--allow-cluster=read-only",
      skip,
      run: async (stage) => (await asked(stage, ["print", "o\r\no\na\r\n", ",", ...DELETE], "n\r")).told,
      sees: "403",
      shown: "403; the user was asked, and said no",
    },
    {
      tries: "make the terminal answer: reports of position, status, title and colours",
      granted: "--allow-cluster=read-only",
      skip,
      run: async (stage) =>
        (await asked(
          stage,
          [
            "print",
            '\x1b[6n\x1b[5n\x1b[c\x1b[21t\x1b]0;o\x07\x1b]11;?\x07\x1bP$q"p\x1b\\\x05',
            ",",
            ...DELETE,
          ],
          "n\r",
        )).told,
      sees: "403",
      shown: "403; the user was asked, and said no",
    },
    {
      tries: "hide the question: an unfinished escape sequence, invisible text, another screen",
      granted: "--allow-cluster=read-only",
      skip,
      async run(stage) {
        const { told, raw } = await asked(stage, [
          "print",
          "\x1b[8m\x1b[?1049h\x1b[?25l\x1b]0;",
          ",",
          ...DELETE,
        ], "n\r");
        const before = raw.slice(0, raw.indexOf("krew-wasm: a plugin asks"));
        assert.ok(
          before.includes("\x1b[!p") && before.includes("\x1b[0m"),
          "the terminal is set right first",
        );
        return told;
      },
      sees: "403",
      shown: "403; the question stands on a terminal set right",
    },
    {
      tries: "paint the question in the colour of the background",
      granted: "--allow-cluster=read-only",
      skip,
      async run(stage) {
        const black = "\x1b]10;#000000\x1b\\\x1b]11;#000000\x1b\\\x1b]4;15;#000000\x1b\\";
        const { told, raw } = await asked(stage, ["print", black, ",", ...DELETE], "n\r");
        const before = raw.slice(0, raw.indexOf("krew-wasm: a plugin asks"));
        assert.match(before, /\x1b\]104\x1b\\[^]*\x1b\]110\x1b\\\x1b\]111\x1b\\/);
        assert.ok(
          before.endsWith("\x1b[0;37;40;97m"),
          JSON.stringify(before),
        );
        return told;
      },
      sees: "403",
      shown: "403; the question has colours of its own",
    },
    {
      tries: "insert its own question into the real one, by an object's name",
      granted: "--allow-cluster=read-only",
      skip,
      async run(stage) {
        const name = "web%1bc%0d%0akrew-wasm%3a%20press%20o%20to%20go%20on%E2%A0%80";
        const path = "apis/rbac.authorization.k8s.io/v1/clusterroles"; // only these objects may have such names
        const { told, text } = await asked(
          stage,
          ["request", "delete", `$SERVER/${path}/${name}`, ""],
          "n\r",
        );
        const question = text.slice(text.indexOf("krew-wasm: a plugin asks"), text.indexOf("[n]o"));
        const lines = question.split("\r\n").filter((line) => /^ {2}\w/.test(line)).map((line) =>
          line.split(/ {2,}/)[1]
        );
        const labels = [
          "plugin",
          "arguments",
          "namespace",
          "verb",
          "resource",
          "name",
          "so far",
          "rule",
          "wider",
        ];
        assert.deepEqual(lines, labels, question);
        assert.match(question, /name {7}web\\x1bc\\r\\nkrew-wasm: press o to go on\\u\{2800\}\r\n/);
        return told;
      },
      sees: "403",
      shown: "403; each part of the question stays on its lines, with odd characters escaped",
    },
    {
      tries: "hide its target by a name that contains another namespace, or a namespace named *",
      granted: "--allow-cluster=read-only",
      skip,
      async run(stage) {
        const paths = [
          "namespaces/kube-system/secrets/ui%22%20in%20the%20namespace%20%22demo%22%E2%A0%80",
          "namespaces/*/secrets/ui",
          "namespaces/demo/*/ui",
        ];
        const words = paths.flatMap((path) => ["request", "delete", `$SERVER/api/v1/${path}`, "", ","]).slice(
          0,
          -1,
        );
        const { text } = await asked(stage, words, "a\r");
        assert.doesNotMatch(text, /a plugin asks/);
        return [...text.matchAll(/(\d{3}) [{]/g)].map(([, status]) => status).join("; ");
      },
      sees: "403; 403; 403",
      shown: "403; krew-wasm does not ask about names that Kubernetes does not allow",
    },
    {
      tries: "use an answer for one object for others",
      granted: "--allow-cluster=read-only",
      skip,
      async run(stage) {
        const words = ["web", "db"].flatMap((
          name,
        ) => [...DELETE.slice(0, 2), `${DELETE[2]!.slice(0, -3)}${name}`, "", ","]);
        const line = words.slice(0, -1).map((word) => `'${stage.expand(word)}'`).join(" ");
        const { text } = await atTerminal(
          stage.product,
          `krew-wasm run --allow-cluster=read-only attack-network -- ${line}`,
          [["[n]o", "r\r"], ["[n]o", "n\r"]],
        );
        return [...text.matchAll(/(\d{3}) [{]/g)].map(([, status]) => status).join("; ");
      },
      requests: ["DELETE /api/v1/namespaces/default/pods/web"],
      sees: "404; 403",
      shown: "one request; the other is asked about by itself",
    },
    {
      tries: "ask again and again, until the user slips",
      granted: "--allow-cluster=read-only",
      skip,
      async run(stage) {
        const words = Array.from({ length: 8 }, (_, index) => [
          ...["request", "delete", `$SERVER/api/v1/namespaces/ns-${index}/pods/web`, "", ","],
        ]).flat();
        const line = words.slice(0, -1).map((word) => `'${stage.expand(word)}'`).join(" ");
        const { text } = await atTerminal(
          stage.product,
          `krew-wasm run --allow-cluster=read-only attack-network -- ${line}`,
          Array(8).fill(["[n]o", "n\r"]),
        );
        assert.equal(text.split("a plugin asks").length - 1, 5);
        return String(text.match(/403 [{]/g)?.length);
      },
      sees: "8",
      shown: "refused; after five times no nothing is asked any more",
    },
    {
      tries: "insert its own question into the real one, by a file's name",
      skip,
      prepare: (stage) =>
        Deno.writeTextFileSync(`${stage.work}/notes\r\n  path       \u2800harmless`, "s3cr3t-notes"),
      async run(stage, form) {
        const { text } = await atTerminal(
          stage.product,
          `kubectl-${
            stage.plugin(form)
          } read "$(printf '${stage.work}/notes\\r\\n  path       \\342\\240\\200harmless')"`,
          [["[n]o", "n\r"]],
        );
        const question = text.slice(text.indexOf("krew-wasm: a plugin asks"), text.indexOf("[n]o")).replace(
          /\r\n {13}/g,
          "",
        );
        assert.ok(question.includes("/notes\\r\\n \\x20path"), question);
        assert.equal(question.match(/^ {2}path /gm)?.length, 1, question);
        return /\b(E[A-Z]+)\b/.exec(text.slice(text.indexOf("[n]o")))?.[1] ?? text;
      },
      sees: "refused",
      component: false,
    },
    {
      tries: "pass its standard input off as the user's",
      granted: "--allow-cluster=read-only",
      async run(stage) {
        const { stdout } = await stage.attack("preview1", DELETE, {
          granted: "--allow-cluster=read-only",
          network: true,
          stdin: "o\no\na\na\n",
        });
        return stdout.slice(0, 3);
      },
      sees: "403",
      shown: "403; without a terminal nobody is asked",
    },
  ],
};
