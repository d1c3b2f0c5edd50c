import assert from "node:assert/strict";
import { Command } from "@commander-js/extra-typings";
import { manualPages } from "../../../scripts/release/manual.ts";

Deno.test("each command has a manual page with its options and its own commands", () => {
  const program = new Command("tool").description("does things").helpCommand(false);
  program.addCommand(new Command("sub").description("a part").option("--out <file>", "where to\nwrite"));
  const pages = manualPages(program, "1.0.0");
  assert.deepEqual([...pages.keys()], ["tool.1", "tool-sub.1"]);
  assert.match(pages.get("tool.1")!, /^\.BR tool\\-sub \(1\)$/m);
  assert.match(pages.get("tool-sub.1")!, /^\.B \\-\\-out <file>\nwhere to write$/m);
});

Deno.test("text cannot be taken for an instruction of roff", () => {
  const page = manualPages(new Command("tool").description("x").option("-x", ".so /etc/passwd\\n"), "1").get(
    "tool.1",
  )!;
  assert.match(page, /^\\&\.so \/etc\/passwd\\en$/m);
});
