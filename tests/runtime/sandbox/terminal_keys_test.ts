import assert from "node:assert/strict";
import { KeyReader, ODD } from "../../../runtime/sandbox/terminal_keys.ts";
import { fc, fuzz } from "../../support/fuzz.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** The keys in a text that arrives in these pieces. */
function keysOf(...pieces: (string | Uint8Array)[]): string[] {
  const reader = new KeyReader();
  return pieces.flatMap((piece) => reader.read(typeof piece === "string" ? bytes(piece) : piece));
}

Deno.test("plain keys are themselves, controls too", () => {
  assert.deepEqual(keysOf("o\rR\x7f\x04"), ["o", "\r", "R", "\x7f", "\x04"]);
});

/** Sequences that terminals send without a person. */
const REPORTS = [
  "\x1b[24;80R", // the cursor's position
  "\x1b[?1;2c",
  "\x1b[0n",
  "\x1b[?2026;2$y",
  "\x1b[8;24;80t",
  "\x1b[I",
  "\x1b[O",
  "\x1b[<0;10;10M",
  "\x1b[<0;10;10m",
  "\x1b[Maaa", // xterm's first mouse mode: three characters of any kind
  "\x1b[97;5u",
  "\x1b[27;5;97~",
  "\x1b[1;5A",
  "\x1bOA",
  "\x1bOM",
  "\x1b]l" + "always" + "\x1b\\", // a title that the plugin set
  "\x1b]11;rgb:0000/0000/0000\x07",
  "\x1b]52;c;YQ==\x1b\\",
  "\x1bP1$r0m\x1b\\",
  "\x1bP>|XTerm(390)\x1b\\",
  "\x1b_Gi=1;OK\x1b\\",
  "\u009b24;80R",
  "\u009dla\u009c",
  "\x1b[200~always\ra\r\x1b[201~", // a paste
];

Deno.test("a terminal's report is one odd key", () => {
  for (const report of REPORTS) {
    assert.deepEqual(keysOf(`${report}n`), [ODD, "n"], JSON.stringify(report));
  }
});

Deno.test("a report in pieces contains no key", () => {
  for (const report of REPORTS) {
    const all = bytes(report);
    for (let one = 1; one < all.length; one++) {
      for (let two = one; two < all.length; two++) {
        const keys = keysOf(all.slice(0, one), all.slice(one, two), all.slice(two), "n");
        assert.deepEqual(keys.slice(-2), [ODD, "n"], JSON.stringify(report));
        assert.ok(keys.slice(0, -1).every((key) => key === ODD), JSON.stringify(report));
      }
    }
  }
});

Deno.test("Enter ends an incomplete sequence, and its line is odd", () => {
  for (const begun of ["\x1b", "\x1b[", "\x1b[24;80", "\x1bO", "\x1b]", "\x1b]l", "\x1bP", "\x1b[M"]) {
    assert.deepEqual(keysOf(begun, "\r", "n", "\r"), [ODD, "\r", "n", "\r"], JSON.stringify(begun));
  }
  assert.deepEqual(keysOf("\x1bo"), [ODD], "with Alt, or after Escape");
});

Deno.test("an Enter among a mouse's bytes ends an odd line", () => {
  assert.deepEqual(keysOf("\x1b[Ma", "\ra", "\r"), [ODD, "\r", "a", "\r"]);
});

Deno.test("Ctrl-C counts at any position", () => {
  for (const begun of ["", "\x1b", "\x1b[24", "\x1b]l", "\x1b[M", "\x1b[200~pasted", "\x1bP"]) {
    assert.equal(keysOf(begun, "\x03").at(-1), "\x03", JSON.stringify(begun));
  }
});

Deno.test("other and invalid characters are odd", () => {
  assert.deepEqual(keysOf("é", "日"), [ODD, ODD]);
  const split = bytes("é");
  assert.deepEqual(keysOf(split.slice(0, 1), split.slice(1), "n"), [ODD, "n"]);
  assert.equal(keysOf(Uint8Array.of(0x9b, 0x52))[0], ODD);
});

Deno.test("the pieces of the input do not change its keys", async () => {
  const part = fc.constantFrom(...REPORTS, "o", "\r", "a", "é", "\x1b", "[", "~", "\x07", "\\");
  await fuzz(
    "keys",
    fc.property(fc.array(part), fc.array(fc.nat(40)), (parts, cuts) => {
      const all = bytes(parts.join(""));
      const pieces: Uint8Array[] = [];
      let at = 0;
      for (const cut of cuts) pieces.push(all.slice(at, at += cut));
      assert.deepEqual(keysOf(...pieces, all.slice(at)), keysOf(all));
    }),
  );
});
