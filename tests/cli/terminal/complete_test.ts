import assert from "node:assert/strict";
import { Command, Option } from "@commander-js/extra-typings";
import { complete, type KnownNames } from "../../../cli/terminal/complete.ts";

const NAMES: KnownNames = {
  plugins: () => [{ word: "foo", about: "" }],
  indexes: () => [{ word: "acme", about: "" }],
  topics: () => [{ word: "grants", about: "" }, { word: "exit-codes", about: "" }],
  offers: () => [{ word: "decoder", about: "" }],
};

function program() {
  const root = new Command("krew-wasm").option("-v, --verbose");
  root.command("list").addOption(new Option("-o, --output <format>").choices(["json", "wide"])).option(
    "--all",
  );
  root.command("rm").argument("<names...>");
  root.command("grants").argument("[name]").option("--allow-cluster <what>").option("--allow-read <path>");
  const index = root.command("index");
  index.command("add");
  index.command("remove").argument("<names...>");
  return root;
}

function words(...typed: string[]): string {
  const { candidates, files } = complete(program(), typed, NAMES);
  return [...candidates.map(({ word }) => word), ...(files ? [":files"] : [])].join(" ");
}

Deno.test("completes a value after =, as one word and as bash's three", () => {
  assert.equal(words("list", "--output=j"), "--output=json");
  assert.equal(words("list", "--output="), "--output=json --output=wide");
  assert.equal(words("list", "--output", "=", "j"), "json");
  assert.equal(words("list", "--output", "="), "json wide");
  assert.equal(words("list", "--all", "=", "j"), "");
  assert.equal(words("list", "--nope=j"), "");
  assert.equal(words("grants", "--allow-read=/et"), ":files");
  assert.equal(words("grants", "--allow-cluster=r"), "--allow-cluster=read-only :files");
});

Deno.test("does not count an earlier --flag=value as an argument", () => {
  assert.equal(words("rm", "--x=y", ""), "foo");
  assert.equal(words("list", "--output", "=", "json", "--al"), "--all");
  assert.equal(words("grants", "--allow-cluster", "=", "none", "f"), "foo");
  assert.equal(words("rm", "=", "f"), "foo");
});

Deno.test("completes help with commands only", () => {
  assert.equal(words("help", "in"), "index");
  assert.equal(words("help", "e"), "exit-codes");
  assert.equal(words("help", "gr"), "grants", "a command and a topic is one word");
  assert.equal(words("help", "index", ""), "add remove");
  assert.equal(words("help", "rm", ""), "");
});
