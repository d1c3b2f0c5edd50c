import assert from "node:assert/strict";
import { listTar, tarEnd, tarHeader, tarPadding } from "../../../registry/fleet/tar.ts";
import { findProgram, missing } from "../../support/programs.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const encoder = new TextEncoder();
const concat = (...parts: Uint8Array[]) => new Uint8Array(parts.flatMap((part) => [...part]));
const file = (name: string, content: string) =>
  concat(tarHeader(name, content.length), encoder.encode(content), tarPadding(content.length));
const list = (bytes: Uint8Array) => listTar((offset, length) => bytes.subarray(offset, offset + length));
const contents = (bytes: Uint8Array) =>
  [...list(bytes)].map(([name, { offset, size }]) => [
    name,
    new TextDecoder().decode(bytes.subarray(offset, offset + size)),
  ]);

Deno.test("listTar() reads the headers of tarHeader()", () => {
  const archive = concat(file("a", "x".repeat(513)), file("b/c", ""), file("d", "y".repeat(512)), tarEnd());
  assert.deepEqual(contents(archive), [["a", "x".repeat(513)], ["b/c", ""], ["d", "y".repeat(512)]]);
});

const tarMissing = missing("tar", findProgram("tar") !== undefined, "any Unix has it");

Deno.test("reads GNU tar and pax archives with long names, and skips links", {
  ignore: tarMissing,
}, () => {
  const directory = temporaryDirectory();
  const long = "d".repeat(90);
  Deno.mkdirSync(`${directory}/in/${long}/${long}`, { recursive: true });
  Deno.writeTextFileSync(`${directory}/in/${long}/${long}/file`, "deep");
  Deno.writeTextFileSync(`${directory}/in/ü`, "umlaut");
  Deno.symlinkSync("/etc/passwd", `${directory}/in/link`);
  for (const format of ["gnu", "pax", "ustar"]) {
    const { success } = new Deno.Command("tar", {
      args: ["-C", `${directory}/in`, `--format=${format}`, "-cf", `${directory}/a.tar`, "."],
    }).outputSync();
    assert.ok(success);
    assert.deepEqual(
      contents(Deno.readFileSync(`${directory}/a.tar`)).sort(),
      [[`${long}/${long}/file`, "deep"], ["ü", "umlaut"]],
      format,
    );
  }
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("GNU tar reads the headers of tarHeader()", { ignore: tarMissing }, async () => {
  const directory = temporaryDirectory();
  Deno.writeFileSync(`${directory}/a.tar`, concat(file("blobs/x", "hello"), tarEnd()));
  const { stdout } = await new Deno.Command("tar", { args: ["-xOf", `${directory}/a.tar`, "blobs/x"] })
    .output();
  assert.equal(new TextDecoder().decode(stdout), "hello");
  Deno.removeSync(directory, { recursive: true });
});

Deno.test("refuses a damaged or compressed archive, and other files", () => {
  const good = concat(file("a", "hello"), tarEnd());
  const damaged = good.slice();
  damaged[0] = 0x7a;
  const huge = concat(tarHeader("a", 8 ** 11 - 1), tarEnd());
  const cases: [bytes: Uint8Array, message: RegExp][] = [
    [new Uint8Array(), /cut off/],
    [encoder.encode("hello"), /cut off/],
    [new Uint8Array(2000).fill(0x41), /no tar archive/],
    [damaged, /damaged/],
    [new Uint8Array(600).fill(0x1f, 0, 1).fill(0x8b, 1, 2), /compressed/],
    [new Uint8Array([0x1f, 0x8b, 8]), /compressed/],
    [huge, /"a" is cut off/],
    [good.subarray(0, 514), /cut off/],
  ];
  for (const [bytes, message] of cases) assert.throws(() => list(bytes), { code: "BUNDLE_INVALID", message });
});

/** The header of an entry that is not a file. */
function headerOf(type: string, size: number): Uint8Array {
  const header = tarHeader("x", size);
  header[156] = type.charCodeAt(0);
  const sum = header.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  header.set(encoder.encode(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
  return header;
}

Deno.test("refuses too many entries, huge names and invalid sizes before reading", () => {
  const [empty, end] = [tarHeader("x", 0), 100_002 * 512];
  assert.throws(() => listTar((offset) => offset < end ? empty : new Uint8Array()), {
    code: "BUNDLE_INVALID",
    message: /entries/,
  });
  for (const type of ["x", "L", "g"]) {
    const header = headerOf(type, (1 << 20) + 1);
    const read = (offset: number, length: number) => {
      assert.ok(length <= 512, `${length} bytes were asked for`);
      return offset === 0 ? header : new Uint8Array(length);
    };
    assert.throws(() => listTar(read), { code: "BUNDLE_INVALID", message: /too large/ }, type);
  }
  for (const size of ["-512", "1e3", "x", "0x200", "9".repeat(16)]) {
    const record = ` size=${size}\n`;
    const length = record.length + (record.length < 9 ? 1 : 2);
    const pax = encoder.encode(`${length}${record}`);
    const archive = concat(
      headerOf("x", pax.length),
      pax,
      tarPadding(pax.length),
      file("a", "hello"),
      tarEnd(),
    );
    assert.throws(() => list(archive), { code: "BUNDLE_INVALID", message: /is no size/ }, size);
  }
});

Deno.test("tarHeader() refuses names and sizes that do not fit", () => {
  assert.throws(() => tarHeader("x".repeat(101), 0));
  assert.throws(() => tarHeader("x", 8 ** 11));
});
