import assert from "node:assert/strict";
import { AppError } from "../../../../runtime/base/errors.ts";
import { Failures } from "../../../../runtime/run/request_failures.ts";
import type { ClusterRequest, ClusterResponse } from "../../../../runtime/kube/cluster.ts";
import { outboundHttpImports } from "../../../../runtime/wasi/p1/outbound_http.ts";
import { FakeCluster, testSandbox } from "../../../support/components.ts";

const RESULT = 64;
type Answer = (request: ClusterRequest) => Promise<ClusterResponse> | ClusterResponse;

/** A guest whose allocator hands out the upper half of its memory. */
class FakeGuest {
  memory = new ArrayBuffer(8 << 20);
  #next = 4 << 20;
  #low = 4096;
  allocations: [old: number, oldSize: number, size: number][] = [];
  readonly exports: WebAssembly.Exports = {
    canonical_abi_realloc: (old: number, oldSize: number, align: number, size: number) => {
      this.allocations.push([old, oldSize, size]);
      const pointer = this.#next = Math.ceil(this.#next / align) * align;
      if (pointer + size > this.memory.byteLength) return 0;
      this.#next += size;
      this.bytes().copyWithin(pointer, old, old + Math.min(oldSize, size));
      return pointer;
    },
  };
  bytes = () => new Uint8Array(this.memory);
  view = () => new DataView(this.memory);

  /** Stores bytes in the lower half. */
  put(value: string | Uint8Array): [pointer: number, length: number] {
    const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
    const pointer = this.#low;
    this.bytes().set(bytes, pointer);
    this.#low += (bytes.length + 7) & ~7;
    return [pointer, bytes.length];
  }

  pairs(list: [string, string][]): [pointer: number, count: number] {
    const words = new Uint32Array(list.flatMap(([name, value]) => [...this.put(name), ...this.put(value)]));
    return [this.put(new Uint8Array(words.buffer))[0], list.length];
  }

  certificates(list: [encoding: number, data: string][]): [pointer: number, count: number] {
    const words = new Uint32Array(list.flatMap(([encoding, data]) => [encoding, ...this.put(data)]));
    return [this.put(new Uint8Array(words.buffer))[0], list.length];
  }

  slot(index: number): number {
    return this.view().getInt32(RESULT + index * 8, true);
  }

  text(pointer: number, length: number): string {
    return new TextDecoder().decode(this.bytes().subarray(pointer, pointer + length));
  }
}

function open(answer: Answer) {
  const cluster = new FakeCluster(answer);
  const guest = new FakeGuest();
  const sandbox = testSandbox({ cluster });
  const imports = outboundHttpImports(sandbox, new Failures(sandbox));
  const functions = imports.functions(guest, undefined as never) as unknown as Record<
    string,
    (...args: number[]) => Promise<void>
  >;
  const register = (
    { roots = [], identity, id }: { roots?: [number, string][]; identity?: string[]; id?: string } = {},
  ) => {
    const parts = (identity ?? ["", "", ""]).flatMap((part) => guest.put(part));
    functions["register-request-config"]!(
      1,
      1,
      ...guest.certificates(roots),
      identity ? 1 : 0,
      ...parts,
      id === undefined ? 0 : 1,
      ...guest.put(id ?? ""),
      RESULT,
    );
    return guest.slot(0) === 0 ? guest.text(guest.slot(1), guest.slot(2)) : guest.slot(1);
  };
  const request = async (
    { method = 0, url = "https://cluster.test:6443/x", headers = [], params = [], body, id }: {
      method?: number;
      url?: string;
      headers?: [string, string][];
      params?: [string, string][];
      body?: string;
      id?: string;
    },
  ) => {
    await functions.request!(
      method,
      ...guest.put(url),
      ...guest.pairs(headers),
      ...guest.pairs(params),
      body === undefined ? 0 : 1,
      ...guest.put(body ?? ""),
      id === undefined ? 0 : 1,
      ...guest.put(id ?? ""),
      RESULT,
    );
    if (guest.slot(0) !== 0) return { error: guest.slot(1) };
    const list = guest.slot(3);
    const word = (index: number) => guest.view().getUint32(list + index * 4, true);
    return {
      status: guest.slot(1),
      headers: Array.from({ length: guest.slot(4) }, (_, index) => [
        guest.text(word(index * 4), word(index * 4 + 1)),
        guest.text(word(index * 4 + 2), word(index * 4 + 3)),
      ]),
      tags: [guest.slot(2), guest.slot(5)],
      body: guest.text(guest.slot(6), guest.slot(7)),
    };
  };
  return { cluster, guest, functions, register, request };
}

const streamOf = (...parts: (string | Uint8Array)[]) =>
  ReadableStream.from(
    parts.map((part) => typeof part === "string" ? new TextEncoder().encode(part) : part),
  ) as ReadableStream<
    Uint8Array<ArrayBuffer>
  >;
const respond = (
  body: ClusterResponse["body"],
  headers: [string, string][] = [],
  status = 200,
): ClusterResponse => ({
  status,
  headers,
  body,
});

Deno.test("request() sends the whole request and stores the whole response", async () => {
  const { request, cluster } = open(() =>
    respond(streamOf("he", "llo"), [["a", "b"], ["c", "\xc3\xa9"]], 201)
  );
  const methods = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];
  for (const [method, name] of methods.entries()) {
    const got = await request({
      method,
      headers: [["X-One", "1"], ["X-Two", "é"]],
      params: [["a", "b c"], ["é&", "="]],
    });
    assert.deepEqual(got, { status: 201, headers: [["a", "b"], ["c", "é"]], tags: [1, 1], body: "hello" });
    assert.deepEqual(cluster.requests.at(-1), {
      method: name,
      url: "https://cluster.test:6443/x?a=b%20c&%C3%A9%26=%3D",
      headers: [["X-One", "1"], ["X-Two", "\xc3\xa9"]],
    });
  }
  await request({ method: 1, url: "https://cluster.test:6443/x?y=1#z", params: [["p", ""]], body: "{}" });
  const { url, body } = cluster.requests.at(-1)!;
  assert.equal(url, "https://cluster.test:6443/x?y=1&p=");
  assert.equal(new TextDecoder().decode(body as Uint8Array), "{}");
});

Deno.test("register-request-config() accepts every kind of configuration", async () => {
  const { register, request } = open(() => respond(null));
  const made = register();
  assert.match(String(made), /^[0-9a-f-]{36}$/);
  assert.equal(
    register({ id: "mine", roots: [[0, "der"], [1, "pem"]], identity: ["key", "cert", "ca"] }),
    "mine",
  );
  assert.equal((await request({ id: "mine" })).status, 200);
  assert.equal((await request({ id: String(made) })).status, 200);
  assert.deepEqual(await request({ id: "other" }), { error: 2 });
  assert.equal(register({ roots: [[2, "neither"]] }), 2);
});

Deno.test("register-request-config() limits the number of names", () => {
  const { register } = open(() => respond(null));
  for (let count = 0; count < 10_000; count++) assert.equal(register({ id: `n${count}` }), `n${count}`);
  assert.equal(register({ id: "more" }), 2);
});

Deno.test("register-request-config() limits the total length of names", () => {
  const { register } = open(() => respond(null));
  const name = "n".repeat(60_000);
  for (let count = 10; count < 27; count++) {
    register({ id: count + name });
    register({ id: count + name }); // the same
  }
  assert.equal(register({ id: `27${name}` }), 2);
  assert.equal(register({ id: "short" }), "short");
});

Deno.test("request() has a number for every error", async () => {
  const refuse = (code: "DESTINATION_REFUSED" | "CLUSTER_UNREACHABLE" | "NO_CLUSTER" | "REQUEST_INVALID") =>
    open(() => {
      throw new AppError(code, "because");
    }).request({});
  assert.deepEqual(await refuse("DESTINATION_REFUSED"), { error: 1 });
  assert.deepEqual(await refuse("CLUSTER_UNREACHABLE"), { error: 4 });
  assert.deepEqual(await refuse("NO_CLUSTER"), { error: 4 });
  assert.deepEqual(await refuse("REQUEST_INVALID"), { error: 4 });
  const { request, cluster } = open(() => respond(null));
  for (const url of ["", "/version", "cluster.test", "file:///etc/passwd", "ftp://cluster.test"]) {
    assert.deepEqual(await request({ url }), { error: 3 }, url);
  }
  assert.deepEqual(await request({ method: 7 }), { error: 4 });
  assert.deepEqual(await request({ method: -1 }), { error: 4 });
  // A list that repeats one long text could fill the host's memory.
  const { functions, guest, cluster: unasked } = open(() => respond(null));
  const [uri, name] = [guest.put("https://cluster.test:6443/x"), guest.put("x".repeat(30_000))];
  const [list] = guest.put(
    new Uint8Array(new Uint32Array(Array(300).fill([...name, ...name]).flat()).buffer),
  );
  for (const [pointer, count] of [[list, 300], [0, 10_001]] as const) {
    await functions.request!(0, ...uri, pointer, count, 0, 0, 0, 0, 0, 0, 0, 0, RESULT);
    assert.deepEqual([guest.slot(0), guest.slot(1)], [1, 4]);
  }
  assert.equal(unasked.requests.length, 0);
  assert.equal(cluster.requests.length, 0);
  const broken = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (controller) => controller.error(new AppError("CLUSTER_UNREACHABLE", "reset")),
  });
  assert.deepEqual(await open(() => respond(broken)).request({}), { error: 4 });
});

Deno.test("pointers and lengths beyond the memory are errors", async () => {
  const { functions, guest, cluster } = open(() => respond(null));
  const [uri, length] = guest.put("https://cluster.test:6443/x");
  const far = -16;
  for (
    const args of [
      [0, far, length, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, RESULT],
      [0, uri, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, RESULT],
      [0, uri, length, far, 1, 0, 0, 0, 0, 0, 0, 0, 0, RESULT],
      [0, uri, length, 64, 0x10000001, 0, 0, 0, 0, 0, 0, 0, 0, RESULT],
      [0, uri, length, 0, 0, 64, -1, 0, 0, 0, 0, 0, 0, RESULT],
      [0, uri, length, 0, 0, 0, 0, 1, far, 64, 0, 0, 0, RESULT],
      [0, uri, length, 0, 0, 0, 0, 0, 0, 0, 1, far, 64, RESULT],
    ]
  ) {
    await functions.request!(...args);
    assert.deepEqual([guest.slot(0), guest.slot(1)], [1, 5], args.join());
  }
  await assert.rejects(
    functions.request!(0, uri, length, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, far),
    WebAssembly.RuntimeError,
  );
  assert.equal(cluster.requests.length, 1); // the last request was valid, apart from the address of its result
});

Deno.test("a body is stored piece by piece, without spare capacity", async () => {
  const piece = new Uint8Array(30_000).fill(97);
  const known = open(() => respond(streamOf(piece, piece), [["content-length", "60000"]]));
  assert.equal((await known.request({})).body?.length, 60_000);
  assert.deepEqual(known.guest.allocations.at(-1)?.slice(1), [0, 60_000]);
  const unknown = open(() => respond(streamOf(piece, piece, piece)));
  assert.equal((await unknown.request({})).body, "a".repeat(90_000));
  assert.deepEqual(unknown.guest.allocations.slice(-3).map(([, from, to]) => [from, to]), [
    [0, 65536],
    [65536, 131072],
    [131072, 90_000],
  ]);
});

Deno.test("a body that the guest can't allocate ends request and connection", async () => {
  for (
    const headers of [[["content-length", "10000000000"]], [["content-length", "1000000"]], []] as [
      string,
      string,
    ][][]
  ) {
    let cancelled = 0;
    const endless = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull: (controller) => controller.enqueue(new Uint8Array(65536)),
      cancel: () => void cancelled++,
    }, { highWaterMark: 0 });
    assert.deepEqual(await open(() => respond(endless, headers)).request({}), { error: 5 });
    assert.equal(cancelled, 1);
  }
});

Deno.test("a trap in the guest's allocator ends the plugin", async () => {
  const { request, guest } = open(() => respond(streamOf("x")));
  guest.exports.canonical_abi_realloc = () => {
    throw new WebAssembly.RuntimeError("unreachable");
  };
  await assert.rejects(request({}), WebAssembly.RuntimeError);
});
