/**
 * What the binary carries for `pull` alone: jco's transpiler and the preview1 adapter, gzipped. Deno reads and copies all
 * that it embeds whenever the binary starts, a millisecond a megabyte, so that on Linux they stand in the executable file
 * before what Deno embeds, where nobody looks at a start (scripts/compile.ts). Elsewhere they are embedded.
 *
 *     ELF | asset … | index, JSON | length of the index, u32 | "krewasst" | what Deno embeds
 *
 * The index is `{"start": bytes of all assets, "files": {name: [offset among them, length]}}`.
 *
 * What Deno embeds ends the file with 16 bytes: a mark, a hash, and how long all of it is, u64.
 */

/** What stands between the assets and what Deno embeds. */
export const ASSET_MARK = "krewasst";
/** How long the end of the file is that says how much Deno embeds. */
export const TRAILER = 16;

/** An asset of the compiled binary, unpacked; `name` is without `.gz`. */
export async function readAsset(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const packed = await readAppended(`${name}.gz`) ??
    (await Deno.open(new URL(`../${name}.gz`, import.meta.url))).readable;
  const unpacked = packed.pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(unpacked).arrayBuffer());
}

/** An asset that stands in the executable file, packed; undefined where there is none. */
async function readAppended(name: string): Promise<ReadableStream<Uint8Array<ArrayBuffer>> | undefined> {
  using file = await Deno.open(Deno.execPath());
  const { size } = await file.stat();
  const at = async (offset: number, length: number) => {
    const bytes = new Uint8Array(length);
    await file.seek(offset, Deno.SeekMode.Start);
    for (let got = 0; got < length;) {
      const count = await file.read(bytes.subarray(got));
      if (count === null) return new Uint8Array();
      got += count;
    }
    return bytes;
  };
  const embedded = new DataView((await at(size - TRAILER, TRAILER)).buffer).getBigUint64(8, true);
  if (embedded > BigInt(size)) return undefined;
  const end = size - Number(embedded);
  const foot = await at(Math.max(end - 12, 0), 12);
  if (new TextDecoder().decode(foot.subarray(4)) !== ASSET_MARK) return undefined;
  const length = new DataView(foot.buffer).getUint32(0, true);
  const index = JSON.parse(new TextDecoder().decode(await at(end - 12 - length, length))) as {
    readonly start: number;
    readonly files: Readonly<Record<string, readonly [offset: number, length: number]>>;
  };
  const place = index.files[name];
  if (!place) return undefined;
  return new Blob([await at(end - 12 - length - index.start + place[0], place[1])]).stream();
}
