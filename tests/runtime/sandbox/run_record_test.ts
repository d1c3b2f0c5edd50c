/** The record of denials: its content, its secrets, and many writers. */

import assert from "node:assert/strict";
import { formatLog, parseSince } from "../../../cli/commands/log.ts";
import { AppError } from "../../../runtime/base/errors.ts";
import { addressOf, recordCluster, recordedPath } from "../../../runtime/kube/http/recorded_requests.ts";
import { append, type RecordedLine, RunRecord } from "../../../runtime/sandbox/run_record.ts";
import { layoutAt } from "../../../runtime/store/layout.ts";
import { parseRecordLine, readRecord } from "../../../runtime/store/log.ts";
import { WasiError } from "../../../runtime/wasi/errno.ts";
import type { FileTree } from "../../../runtime/wasi/files/file_tree.ts";
import { recordTree } from "../../../runtime/wasi/files/recorded_tree.ts";
import { FakeCluster } from "../../support/components.ts";
import { READ } from "../../support/file_trees.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

async function inStore<T>(use: (layout: ReturnType<typeof layoutAt>) => Promise<T> | T): Promise<T> {
  const root = temporaryDirectory();
  try {
    return await use(layoutAt(root));
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

// Importing compile.ts starts to read jco.
const LOADING = { sanitizeOps: false };

Deno.test("a run without denials creates no file", LOADING, () =>
  inStore((layout) => {
    const record = new RunRecord(layout.log, "x", false);
    record.request("GET", "/api", 1, { status: 200 });
    record.close();
    assert.throws(() => Deno.statSync(layout.log), Deno.errors.NotFound);
    assert.deepEqual(readRecord(layout), []);
  }));

Deno.test("writes a denial at the end if descriptors were missing", () =>
  inStore((layout) => {
    const record = new RunRecord(layout.log, "x", false);
    const real = Deno.openSync;
    Deno.openSync = () => {
      throw Object.assign(new Error("Too many open files"), { code: "EMFILE" });
    };
    try {
      record.denied("read /a", "--allow-read=/a");
    } finally {
      Deno.openSync = real;
    }
    assert.deepEqual(readRecord(layout), []);
    record.close();
    record.close();
    assert.deepEqual(readRecord(layout).map((line) => "what" in line && line.what), ["read /a"]);
  }));

Deno.test("writes each denial once, at once, and counts the rest", () =>
  inStore((layout) => {
    const record = new RunRecord(layout.log, "decoder", false);
    for (let i = 0; i < 3; i++) record.denied("delete pods", "--allow-cluster=delete:pods");
    assert.equal(readRecord(layout).length, 1);
    if (Deno.build.os !== "windows") {
      assert.equal(Deno.statSync(layout.log).mode! & 0o777, 0o700);
      assert.equal(Deno.statSync(`${layout.log}/denied.jsonl`).mode! & 0o777, 0o600);
    }
    for (let i = 0; i < 500; i++) record.denied(`write "${i}"`);
    record.close();
    const lines = readRecord(layout);
    assert.equal(lines.length, 101);
    const { time, pid, ...first } = lines[0]!;
    assert.match(time, /^\d{4}-\d\d-\d\dT.*Z$/);
    assert.equal(pid, Deno.pid);
    assert.deepEqual(first, {
      plugin: "decoder",
      event: "denied",
      what: "delete pods",
      grant: "--allow-cluster=delete:pods",
    });
    assert.deepEqual({ ...lines.at(-1), time, pid }, {
      time,
      pid,
      plugin: "decoder",
      event: "more",
      count: 403,
    });
  }));

Deno.test("escapes and cuts a plugin's text", () =>
  inStore((layout) => {
    const record = new RunRecord(layout.log, "x", false);
    record.denied(`write "\n{"event":"allowed"}\x1b[2J${"a".repeat(10_000)}"`);
    const text = Deno.readTextFileSync(`${layout.log}/denied.jsonl`);
    assert.equal(text.split("\n").length, 2);
    assert.ok(text.length < 1000);
    assert.ok(!text.includes("\x1b"));
  }));

Deno.test("a run continues without its record if the store is read-only", () => {
  const record = new RunRecord("/proc/none/log", "x", true);
  record.denied("read");
  record.request("GET", "/", 1, { status: 200 });
  record.close();
});

Deno.test("rotates full files and removes the oldest", () =>
  inStore((layout) => {
    Deno.mkdirSync(layout.log);
    for (let i = 0; i < 100; i++) {
      const line = { time: new Date(i).toISOString(), plugin: "x", pid: 1, event: "denied", what: `${i}` };
      append(layout.log, "denied", `${JSON.stringify(line)}\n`, 1000);
    }
    const files = [...Deno.readDirSync(layout.log)].map(({ name }) => name).filter((name) =>
      name !== "rotate.lock"
    );
    assert.deepEqual(files.sort(), ["denied.1.jsonl", "denied.2.jsonl", "denied.3.jsonl", "denied.jsonl"]);
    for (const name of files) assert.ok(Deno.statSync(`${layout.log}/${name}`).size <= 1000);
    const whats = readRecord(layout).map((line) => Number((line as { what: string }).what));
    assert.equal(whats.at(-1), 99);
    assert.deepEqual(whats, whats.map((_, index) => whats[0]! + index), "none is missing in between");
  }));

Deno.test("reads a file once that is rotated during reading", () =>
  inStore((layout) => {
    Deno.mkdirSync(layout.log);
    const write = (what: string) => {
      const line = { time: new Date(0).toISOString(), plugin: "x", pid: 1, event: "denied", what };
      append(layout.log, "denied", `${JSON.stringify(line)}\n`, 50); // each line fills a file
    };
    for (let moment = 1; moment <= 8; moment++) {
      write("a");
      write(`b${moment}`);
      let looked = 0;
      const busy = {
        ...layout,
        get log() {
          if (++looked === moment) write("c");
          return layout.log;
        },
      };
      const whats = readRecord(busy).map((line) => (line as { what: string }).what);
      assert.equal(whats.filter((what) => what === `b${moment}`).length, 1, `${moment}: ${whats}`);
    }
  }));

Deno.test("keeps every line whole when many processes write", () =>
  inStore(async (layout) => {
    Deno.mkdirSync(layout.log);
    const script = `import { append } from ${
      JSON.stringify(new URL("../../../runtime/sandbox/run_record.ts", import.meta.url).href)
    };
      for (let i = 0; i < 1000; i++) append(Deno.args[0], "denied", JSON.stringify({ time: new Date().toISOString(), plugin: Deno.args[1],
        pid: Deno.pid, event: "denied", what: i + " " + "x".repeat(300) }) + "\\n", 20_000);`;
    Deno.writeTextFileSync(`${layout.root}/write.mjs`, script);
    const codes = await Promise.all([1, 2, 3, 4].map(async (n) => {
      const { code, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "-A", "--quiet", "--no-check", `${layout.root}/write.mjs`, layout.log, `p${n}`],
      }).output();
      return code || new TextDecoder().decode(stderr);
    }));
    assert.deepEqual(codes, ["", "", "", ""]);
    const lines = [...Deno.readDirSync(layout.log)].filter(({ name }) => name.endsWith(".jsonl")).flatMap((
      { name },
    ) => Deno.readTextFileSync(`${layout.log}/${name}`).trimEnd().split("\n"));
    assert.ok(lines.length > 150, `${lines.length} lines`);
    for (const line of lines) assert.ok(parseRecordLine(line), line);
  }));

Deno.test("writes addresses and paths without secrets", () => {
  assert.equal(addressOf("https://user:pass@evil.test:8443/token/abc?key=1"), "https://evil.test:8443");
  assert.equal(addressOf("nonsense"), "an address that is none");
  assert.equal(recordedPath("https://api/api/v1/pods?watch=1&token=x"), "/api/v1/pods");
  assert.equal(
    recordedPath("/api/v1/namespaces/a/services/b/proxy/login/secret?x"),
    "/api/v1/namespaces/a/services/b/proxy/…",
  );
});

Deno.test("records a cluster's refusals, and its requests on demand", () =>
  inStore(async (layout) => {
    const answers = new FakeCluster(({ url }) => {
      if (url.includes("evil")) throw new AppError("DESTINATION_REFUSED", "no");
      if (url.includes("gone")) throw new AppError("CLUSTER_UNREACHABLE", "no");
      return { status: 200, headers: [], body: null };
    });
    const send = async (requests: boolean) => {
      const cluster = recordCluster(answers, new RunRecord(layout.log, "x", requests));
      for (const url of ["/api?token=s3cret", "https://evil.test/?s3cret", "/gone"]) {
        await cluster.send({ method: "get", url, headers: [["authorization", "s3cret"]] }).catch(() => {});
      }
    };
    const events = () =>
      readRecord(layout).map((line) =>
        line.event === "request"
          ? `${line.method} ${line.path} ${line.status ?? line.error}`
          : (line as { what: string }).what
      );
    await send(false);
    assert.deepEqual(events(), ["send a request to https://evil.test"]);
    await send(true);
    assert.deepEqual(events().sort(), [
      "GET /api 200",
      "GET /gone CLUSTER_UNREACHABLE",
      "send a request to https://evil.test",
      "send a request to https://evil.test",
    ]);
    for (const { name } of Deno.readDirSync(layout.log)) {
      assert.ok(!Deno.readTextFileSync(`${layout.log}/${name}`).includes("s3cret"));
    }
  }));

Deno.test("records refused files, but not missing ones", () =>
  inStore((layout) => {
    const tree = {
      openAt: (_: unknown, path: string) => {
        throw new WasiError(path === "gone" ? "no-entry" : "not-permitted");
      },
    } as unknown as FileTree;
    const recorded = recordTree(tree, new RunRecord(layout.log, "x", false));
    for (const [path, write] of [["gone", false], ["../up", false], ["kept", true]] as const) {
      assert.throws(() => recorded.openAt(undefined as never, path, { ...READ, write }), WasiError);
    }
    assert.deepEqual(readRecord(layout).map((line) => (line as { what: string }).what), [
      'read "../up"',
      'write "kept"',
    ]);
  }));

const NOW = new Date("2026-05-01T12:00:00Z");

Deno.test("--since accepts durations and dates only", () => {
  const since = (text: string) => parseSince(text, NOW).toISOString().replace(".000", "");
  assert.equal(since("90s"), "2026-05-01T11:58:30Z");
  assert.equal(since("2h30m"), "2026-05-01T09:30:00Z");
  assert.equal(since("7d"), "2026-04-24T12:00:00Z");
  assert.equal(since("2026-04-30"), "2026-04-30T00:00:00Z");
  assert.equal(since("2026-04-30T10:00:00+02:00"), "2026-04-30T08:00:00Z");
  for (const text of ["", "1", "h", "-1h", "yesterday", "2026-13-01", "2026"]) {
    assert.throws(() => since(text), { code: "USAGE" }, text);
  }
});

Deno.test("prints the log as a table, or nothing", () => {
  const base = { time: "2026-05-01T11:59:00.000Z", plugin: "decoder", pid: 1 };
  const lines: RecordedLine[] = [
    { ...base, event: "denied", what: "delete pods", grant: "--allow-cluster=delete:pods" },
    { ...base, event: "allowed", what: "get secrets", grant: "--allow-cluster=get:secrets", answer: "run" },
    { ...base, event: "request", method: "GET", path: "/api", status: 200, ms: 3 },
    { ...base, event: "request", method: "GET", path: "/api", error: "CLUSTER_UNREACHABLE", ms: 3 },
    { ...base, event: "more", count: 7 },
  ];
  assert.equal(formatLog([], NOW), "");
  assert.equal(
    formatLog(lines, NOW),
    `AGE   PLUGIN    EVENT     WHAT                                   GRANT
60s   decoder   denied    delete pods                            --allow-cluster=delete:pods
60s   decoder   allowed   get secrets (run)                      --allow-cluster=get:secrets
60s   decoder   request   GET /api 200 in 3 ms                   <none>
60s   decoder   request   GET /api CLUSTER_UNREACHABLE in 3 ms   <none>
60s   decoder   more      7 more denials                         <none>
`,
  );
});

Deno.test("skips invalid lines of the record", () => {
  for (
    const text of [
      "",
      "{",
      "null",
      "[]",
      "{}",
      '{"time":"x","plugin":"a","pid":1,"event":"denied","what":"y"}',
    ]
  ) {
    assert.equal(parseRecordLine(text), undefined, text);
  }
  for (const event of ["denied", "allowed", "request", "more", "other"]) {
    assert.equal(
      parseRecordLine(JSON.stringify({ time: NOW, plugin: "a", pid: 1, event })),
      undefined,
      event,
    );
  }
});

Deno.test("a request whose answer nobody waits for is recorded at the end", () => {
  const directory = temporaryDirectory();
  const record = new RunRecord(directory, "foo", true);
  record.sending("DELETE", "/api/v1/pods");
  const settled = record.sending("GET", "/version");
  settled();
  record.close();
  const [line, ...more] = Deno.readTextFileSync(`${directory}/requests.jsonl`).trim().split("\n");
  assert.equal(more.length, 0);
  const { method, path, error } = JSON.parse(line!);
  assert.deepEqual([method, path, error], ["DELETE", "/api/v1/pods", "UNANSWERED"]);
});
