import assert from "node:assert/strict";
import { colored, colorModeIn, paintLabels, plain } from "../../../cli/terminal/color.ts";
import { useColors } from "../../../runtime/base/colors.ts";

const env = (variables: Record<string, string>) => (name: string) => variables[name];

Deno.test("useColors() follows --color, then NO_COLOR, CLICOLOR_FORCE and the terminal", () => {
  assert.equal(useColors("auto", env({}), true), true);
  assert.equal(useColors("auto", env({}), false), false);
  assert.equal(useColors("auto", env({ NO_COLOR: "1" }), true), false);
  assert.equal(useColors("auto", env({ NO_COLOR: "" }), true), true, "an empty NO_COLOR does not count");
  assert.equal(useColors("auto", env({ CLICOLOR_FORCE: "1" }), false), true);
  assert.equal(useColors("auto", env({ CLICOLOR_FORCE: "0" }), false), false);
  assert.equal(useColors("auto", env({ CLICOLOR_FORCE: "1", NO_COLOR: "1" }), false), false);
  assert.equal(useColors("auto", env({ TERM: "dumb" }), true), false);
  assert.equal(useColors("always", env({ NO_COLOR: "1" }), false), true);
  assert.equal(useColors("never", env({ CLICOLOR_FORCE: "1" }), true), false);
});

Deno.test("colorModeIn() reads --color before the arguments are parsed", () => {
  assert.equal(colorModeIn(["list"]), "auto");
  assert.equal(colorModeIn(["--color=never", "list"]), "never");
  assert.equal(colorModeIn(["list", "--color", "always"]), "always");
  assert.equal(colorModeIn(["run", "x", "--", "--color=always"]), "auto");
  assert.equal(colorModeIn(["list", "--color=purple"]), "auto");
});

Deno.test("paintLabels() paints the labels of messages, and nothing in their text", () => {
  const text = 'error: no "error: x"\nhint: y\nInstalled foo\nwarning: z\n';
  assert.equal(paintLabels(text, plain), text);
  assert.equal(
    paintLabels(text, colored),
    '\x1b[1;31merror:\x1b[0m no "error: x"\n\x1b[2mhint:\x1b[0m y\nInstalled foo\n\x1b[33mwarning:\x1b[0m z\n',
  );
});
