import assert from "node:assert/strict";
import { unpacked } from "../../../registry/oci/content_encoding.ts";

const BYTES = crypto.getRandomValues(new Uint8Array(3000));

async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const packed = new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(packed).arrayBuffer());
}

/** The unpacked body from chunks of this size, and whether its source was closed. */
async function read(body: Uint8Array<ArrayBuffer>, encoding: string | null, piece: number) {
  let ended = false;
  const source = async function* () {
    try {
      for (let at = 0; at < body.length; at += piece) yield await Promise.resolve(body.slice(at, at + piece));
    } finally {
      ended = true;
    }
  };
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  for await (const chunk of unpacked(source(), encoding)) chunks.push(chunk);
  assert.ok(ended);
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

Deno.test("unpacked() unpacks gzip and x-gzip in any chunks", async () => {
  const packed = await gzip(BYTES);
  for (const encoding of ["gzip", "x-gzip", "GZIP", " gzip "]) {
    for (const piece of [1, 1000, packed.length]) {
      assert.deepEqual(await read(packed, encoding, piece), BYTES);
    }
  }
});

Deno.test("unpacked() keeps a body without gzip header or gzip magic number", async () => {
  for (const encoding of [null, "", "identity", "br", "gzip, gzip", "gzip", "x-gzip"]) {
    assert.deepEqual(await read(BYTES.with(0, 0), encoding, 1000), BYTES.with(0, 0), String(encoding));
  }
  const packed = await gzip(BYTES);
  assert.deepEqual(await read(packed, null, 1000), packed);
  for (const short of [new Uint8Array(), Uint8Array.of(0x1f)]) {
    assert.deepEqual(await read(short, "gzip", 1), short);
  }
});

Deno.test("unpacked() fails for truncated or broken gzip", async () => {
  const packed = await gzip(BYTES);
  await assert.rejects(read(packed.slice(0, 500), "gzip", 100));
  await assert.rejects(read(packed.with(packed.length - 6, packed.at(-6)! ^ 1), "gzip", 100));
});
