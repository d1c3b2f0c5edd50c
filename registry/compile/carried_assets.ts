/**
 * Assets that only `pull` needs: jco's transpiler and the preview1 adapter, gzipped.
 *
 * Deno reads and copies everything it embeds at each start of the binary, about a millisecond per megabyte. On Linux
 * scripts/compile.ts therefore puts these assets into the executable in front of what Deno embeds, where no start reads
 * them. On other systems Deno embeds them.
 *
 *     ELF | asset … | index, JSON | length of the index, u32 | "krewasst" | what Deno embeds
 *
 * The index is `{"start": bytes of all assets, "files": {name: [offset among them, length]}}`.
 *
 * Deno's embedded data ends the file with 16 bytes: a mark, a hash, and its total length, u64.
 */

/** Marks the end of the assets and the start of Deno's embedded data. */
export const ASSET_MARK = "krewasst";
/** Length of the end of the file that states how much Deno embeds. Bytes. */
export const TRAILER = 16;

/** An asset of the compiled binary, unpacked; `name` is without `.gz`. */
export async function readAsset(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const packed = await readAppended(`${name}.gz`) ??
    (await Deno.open(new URL(`../${name}.gz`, import.meta.url))).readable;
  const unpacked = packed.pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(unpacked).arrayBuffer());
}

/** An asset from the executable file, still gzipped; undefined if the file has none. */
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
