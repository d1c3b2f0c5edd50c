/** Compares the handler's bytes with the assembly in its comments. */

import assert from "node:assert/strict";
import { HANDLERS } from "../../../../runtime/sandbox/kernel/threads.ts";
import { clangMissing } from "../../../support/product.ts";
import { temporaryDirectory } from "../../../support/temporary.ts";

/** The assembly in the comments, by architecture. */
function commentsOf(source: string, arch: string): string[] {
  const table = source.slice(source.indexOf("HANDLERS"), source.indexOf("RETURN_AT"));
  const start = table.search(new RegExp(`^ {2}"?${arch}"?: \\[$`, "m"));
  return table.slice(start, table.indexOf("\n  ],", start)).split("\n").flatMap((line) =>
    /\/\/ +(.*?)(?: {3,}.*)?$/.exec(line)?.[1] ?? []
  );
}

/** The bytes of the only code section in a 64-bit ELF file. */
function codeOf(file: Uint8Array<ArrayBuffer>): Uint8Array {
  const view = new DataView(file.buffer);
  const [sections, size, count] = [
    Number(view.getBigUint64(40, true)),
    view.getUint16(58, true),
    view.getUint16(60, true),
  ];
  for (let index = 0; index < count; index++) {
    const at = sections + index * size;
    const executable = (view.getUint32(at + 8, true) & 4) !== 0;
    const [offset, length] = [
      Number(view.getBigUint64(at + 24, true)),
      Number(view.getBigUint64(at + 32, true)),
    ];
    if (executable && length > 0) return file.subarray(offset, offset + length);
  }
  return new Uint8Array();
}

for (const arch of ["x86_64", "aarch64"] as const) {
  Deno.test(`${arch}: the handler's bytes match its assembly`, {
    ignore: clangMissing(),
  }, async () => {
    const source = await Deno.readTextFile(
      new URL("../../../../runtime/sandbox/kernel/threads.ts", import.meta.url),
    );
    const assembly = commentsOf(source, arch);
    assert.ok(assembly.length >= 14, assembly.join("\n"));
    const directory = temporaryDirectory();
    try {
      await Deno.writeTextFile(`${directory}/handler.s`, `${assembly.join("\n")}\n`);
      const { success, stderr } = await new Deno.Command("clang", {
        args: [`--target=${arch}-linux-gnu`, "-c", "-o", `${directory}/handler.o`, `${directory}/handler.s`],
      }).output();
      assert.ok(success, new TextDecoder().decode(stderr));
      assert.deepEqual([...codeOf(await Deno.readFile(`${directory}/handler.o`))], HANDLERS[arch]);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}
