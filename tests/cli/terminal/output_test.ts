import assert from "node:assert/strict";
import { formatAge, formatSize, formatTable, formatWholeTable } from "../../../cli/terminal/output.ts";
import { formatList, formatPlugins } from "../../../cli/commands/list.ts";
import { LEAST } from "../../../runtime/grants/grants.ts";
import type { Receipt } from "../../../runtime/store/receipt.ts";

Deno.test("formatTable() aligns columns like kubectl", () => {
  assert.equal(
    formatTable(["NAME", "KIND", "REFERENCE"], [["a", "component", "x"], ["longer", "", "日本"]]),
    "NAME     KIND        REFERENCE\na        component   x\nlonger   <none>      日本\n",
  );
});

Deno.test("formatTable() counts wide and combining characters and escapes controls", () => {
  assert.equal(formatTable(["A", "B"], [["日", "x"], ["e\u0301", "y"]]), "A    B\n日   x\ne\u0301    y\n");
  assert.equal(formatTable(["A"], [["\x1b[31m"]]), "A\n\\x1b[31m\n");
});

Deno.test("formatWholeTable() cuts nothing, and wraps long cells", () => {
  const long = "x".repeat(3000);
  assert.equal(formatTable(["A"], [[long]]), `A\n${"x".repeat(1000)}…\n`);
  assert.equal(formatWholeTable(["A"], [[long]]), `A\n${long}\n`);
  const words = Array.from({ length: 40 }, (_, number) => `widget${number}`).join(", ");
  const lines = formatWholeTable(["GRANT", "MAY", "RISK"], [
    ["cluster", `delete ${words}`, "! it changes the cluster"],
    ["files", "x".repeat(100), "-"],
  ]).split("\n");
  assert.match(lines[1]!, /^cluster {3}delete widget0, .{1,70} {3}! it changes the cluster$/);
  assert.ok(lines.every((line) => line.length < 120), lines.join("\n"));
  assert.ok(lines.slice(2, 6).every((line) => line.startsWith("          widget")), lines.join("\n"));
  const shown = lines.join("").replace(/ /g, "");
  assert.ok(shown.includes("x".repeat(72)) && shown.includes("x".repeat(28)) && shown.includes("widget39"));
});

Deno.test("formatTable() prevents fake columns and overlong columns", () => {
  assert.equal(
    formatTable(["A", "B"], [["a   -", " b "], ["   ", "x"]]),
    "A        B\na -      b\n<none>   x\n",
  );
  const long = "x".repeat(500);
  const [header, first, second] = formatTable(["A", "B"], [[long, "risky"], ["a", "b"]]).split("\n");
  assert.equal(first, `${long}   risky`);
  assert.equal(second, `a${" ".repeat(202)}b`);
  assert.equal(header!.length, 204);
});

Deno.test("formatWholeTable() wraps by the width of characters", () => {
  const lines = formatWholeTable(["A", "B"], [["\u{20000}".repeat(40) + "e\u0301".repeat(80), "x"]]).split(
    "\n",
  );
  assert.deepEqual(lines.slice(1), [
    `${"\u{20000}".repeat(36)}   x`,
    `${"\u{20000}".repeat(4)}${"e\u0301".repeat(64)}`,
    "e\u0301".repeat(16),
    "",
  ]);
  assert.equal(formatWholeTable(["A", "B"], [["a   -", "b"]]), "A     B\na -   b\n");
});

Deno.test("formatAge() matches kubectl's AGE column", () => {
  const age = (seconds: number) => formatAge(new Date(0), new Date(seconds * 1000));
  assert.deepEqual(
    [0, 119, 120, 150, 599, 600, 3600 * 3, 3600 * 3 + 1200, 3600 * 47, 86400 * 3, 86400 * 40, 86400 * 800]
      .map(age),
    [
      "0s",
      "119s",
      "2m",
      "2m30s",
      "9m59s",
      "10m",
      "3h",
      "3h20m",
      "47h",
      "3d",
      "40d",
      "2y70d",
    ],
  );
  assert.equal(formatAge(new Date("nonsense"), new Date()), "<unknown>");
});

Deno.test("formatSize() rounds to decimal units", () => {
  assert.deepEqual([0, 999, 1000, 138_000, 8_300_000, 999_600, 1_500_000_000].map(formatSize), [
    "0 B",
    "999 B",
    "1.0 KB",
    "138 KB",
    "8.3 MB",
    "1.0 MB",
    "1.5 GB",
  ]);
});

const receipt: Receipt = {
  name: "foo-bar",
  reference: "ghcr.io/acme/foo-bar:v1",
  manifestDigest: `sha256:${"1".repeat(64)}`,
  digest: `sha256:${"2".repeat(64)}`,
  size: 2_100_000,
  kind: "preview1",
  source: { kind: "registry" },
  signatures: [],
  bindgen: "1",
  compiled: [],
  grants: LEAST,
  installedAt: "2026-01-01T00:00:00Z",
};
const now = new Date("2026-01-01T00:05:00Z");

Deno.test("formatList() prints a table, wide, names, JSON and YAML", async () => {
  assert.equal(
    formatList([receipt], undefined, now),
    "NAME      KIND     SIZE     AGE   REFERENCE\nfoo-bar   module   2.1 MB   5m    ghcr.io/acme/foo-bar:v1\n",
  );
  assert.match(
    formatList([receipt], "wide", now),
    /VERSION +DIGEST +REFERENCE\n.*<none> +sha256:1{64} +ghcr/,
  );
  assert.equal(formatList([receipt], "name", now), "foo-bar\n");
  assert.equal(JSON.parse(await formatPlugins([receipt], "json")).plugins[0].digest, receipt.digest);
  const { parse } = await import("yaml");
  assert.deepEqual(
    parse(await formatPlugins([receipt], "yaml")),
    JSON.parse(await formatPlugins([receipt], "json")),
  );
  assert.equal(await formatPlugins([], "json"), '{\n  "plugins": []\n}\n');
});

Deno.test("formatTable() leaves out the header and cuts lines to a width", () => {
  const rows = [["decoder", "Decodes Secrets of any kind"], ["wide", "\u6f22\u5b57\u6f22\u5b57\u6f22\u5b57"]];
  const table = formatTable(["NAME", "ABOUT"], rows, { width: 20 });
  assert.equal(
    table,
    "NAME      ABOUT\ndecoder   Decodes S\u2026\nwide      \u6f22\u5b57\u6f22\u5b57\u2026\n",
  );
  assert.equal(formatTable(["NAME"], [["a"], ["b"]], { headers: false }), "a\nb\n");
});
