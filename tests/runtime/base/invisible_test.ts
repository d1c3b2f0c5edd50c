import assert from "node:assert/strict";
import { parse } from "yaml";
import { isVisible, visibleJson } from "../../../runtime/base/invisible.ts";
import { printable } from "../../../runtime/base/text.ts";
import { formatJson, formatTable, formatValue } from "../../../cli/terminal/output.ts";
import { fc, fuzz } from "../../support/fuzz.ts";

/** Each shows nothing or a blank in a terminal, or moves the text around it. */
const INVISIBLE: readonly (readonly [what: string, from: number, to?: number])[] = [
  ["C1 controls", 0x7f, 0x9f],
  ["no-break space", 0xa0],
  ["soft hyphen", 0xad],
  ["combining grapheme joiner", 0x34f],
  ["Arabic letter mark", 0x61c],
  ["Hangul choseong filler", 0x115f],
  ["Hangul jungseong filler", 0x1160],
  ["Ogham space mark", 0x1680],
  ["Khmer inherent vowels", 0x17b4, 0x17b5],
  ["Mongolian variation selectors and vowel separator", 0x180b, 0x180f],
  ["spaces of many widths", 0x2000, 0x200a],
  ["zero-width characters and marks of direction", 0x200b, 0x200f],
  ["line and paragraph separators, embeddings, overrides", 0x2028, 0x202f],
  ["mathematical space", 0x205f],
  ["invisible operators, isolates, deprecated formats", 0x2060, 0x206f],
  ["braille pattern blank", 0x2800],
  ["Tifinagh consonant joiner", 0x2d7f],
  ["ideographic space", 0x3000],
  ["ideographic half fill space", 0x303f],
  ["Hangul filler", 0x3164],
  ["private use", 0xe000, 0xe0ff],
  ["variation selectors", 0xfe00, 0xfe0f],
  ["byte order mark", 0xfeff],
  ["halfwidth Hangul filler", 0xffa0],
  ["unassigned, ignorable", 0xfff0, 0xfff8],
  ["interlinear annotations, object replacement", 0xfff9, 0xfffc],
  ["noncharacters", 0xfffe, 0xffff],
  ["Brahmi number joiner", 0x1107f],
  ["hieroglyphs' blanks", 0x13441, 0x13442],
  ["Khitan filler", 0x16fe4],
  ["shorthand format controls", 0x1bca0, 0x1bca3],
  ["null notehead", 0x1d159],
  ["musical format controls", 0x1d173, 0x1d17a],
  ["tags", 0xe0000, 0xe007f],
  ["variation selectors supplement", 0xe0100, 0xe01ef],
  ["private use planes", 0xf0000, 0xf00ff],
  ["the last noncharacter", 0x10ffff],
];

Deno.test("messages, tables, JSON and YAML escape invisible characters", async () => {
  for (const [what, from, to = from] of INVISIBLE) {
    for (let code = from; code <= to; code++) {
      const character = String.fromCodePoint(code);
      for (
        const text of [character, `a${character}`, `a${character}b`, `${character}b`, `日${character}本`]
      ) {
        const name = `${what}: U+${code.toString(16)} in ${JSON.stringify(text)}`;
        assert.ok(!isVisible(text), name);
        assert.ok(!printable(text).includes(character), name);
        assert.ok(!formatTable(["A"], [[text]]).includes(character), name);
        const json = formatJson({ [text]: [text] });
        assert.ok(!json.includes(character), name);
        assert.deepEqual(JSON.parse(json), { [text]: [text] }, name);
      }
    }
    const texts = {
      [`k${String.fromCodePoint(from)}`]: [`v${String.fromCodePoint(to)}w`, "plain: yes", 'q"\\'],
    };
    const yaml = await formatValue(texts, "yaml");
    assert.ok(yaml.split("\n").every(isVisible), `${what}: ${JSON.stringify(yaml)}`);
    assert.deepEqual(parse(yaml), texts, what);
  }
});

Deno.test("escapes piles of marks and marks without a base, but no script's marks", () => {
  for (
    const text of [
      "e\u0301",
      "שׁ\u05bc\u05b8",
      "नमस्ते",
      "ไม่",
      "မြန်မာ",
      "ភាសាខ្មែរ",
      "Tiếng Việt".normalize("NFD"),
    ]
  ) {
    assert.equal(printable(text), text);
    assert.ok(isVisible(text));
  }
  assert.equal(printable("\u0301a"), "\\u{301}a");
  assert.equal(printable('"\u0301'), '"\\u{301}');
  assert.equal(printable(" \u0301\u0302"), " \\u{301}\\u{302}");
  assert.equal(printable(`a${"\u0301".repeat(5)}b`), "a\u0301\u0301\u0301\\u{301}\\u{301}b");
  assert.equal(printable("a\u200b\u0301"), "a\\u{200b}\\u{301}", "an escape is no base for a mark");
});

Deno.test("JSON and YAML of any data are visible and parse to the same data", async () => {
  const units = fc.constantFrom(..."a \n\t\"\\':#-|\u0301\u202e\u2800\x85\u{e0041}日🦀");
  const text = fc.oneof(fc.string({ unit: "grapheme" }), fc.array(units).map((all) => all.join("")));
  await fuzz(
    "visible output",
    fc.asyncProperty(text, async (text) => {
      const value = { [text]: text, list: [text, { text }] };
      for (const format of ["json", "yaml"] as const) {
        const shown = await formatValue(value, format);
        assert.ok(shown.split("\n").every(isVisible), JSON.stringify(shown));
        assert.deepEqual(format === "json" ? JSON.parse(shown) : parse(shown), value, shown);
      }
    }),
  );
});

Deno.test("visibleJson() keeps line ends between values and escapes surrogate pairs", () => {
  assert.equal(
    visibleJson('{\n  "a": "\u{e0041}\x9b\x7f"\n}'),
    '{\n  "a": "\\udb40\\udc41\\u009b\\u007f"\n}',
  );
});
