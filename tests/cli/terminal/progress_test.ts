import assert from "node:assert/strict";
import { formatBar, formatProgress, makeProgress } from "../../../cli/terminal/progress.ts";

function setUp(terminal: boolean) {
  const clock = { now: 1000 };
  const written: string[] = [];
  const progress = makeProgress({
    stderr: (text) => written.push(text),
    terminal,
    columns: () => 80,
    now: () => clock.now,
  });
  const at = (milliseconds: number, done: number) => {
    clock.now = 1000 + milliseconds;
    progress.show(done, 10_000_000);
  };
  return { progress, written, at };
}

Deno.test("on a terminal, updates one line and removes it at the end", () => {
  const { progress, written, at } = setUp(true);
  at(0, 0);
  at(500, 1_000_000);
  at(550, 1_100_000);
  at(1000, 2_000_000);
  progress.end();
  assert.equal(written.length, 3);
  assert.match(written[0]!, /^\r\x1b\[K\[###-{27}\] 10%, 1\.0 MB of 10 MB, 2\.0 MB\/s, 5s left$/);
  assert.ok(written[1]!.length < 80 + 4);
  assert.equal(written[2], "\r\x1b[K");
});

Deno.test("without a terminal, prints a line every five seconds", () => {
  const { progress, written, at } = setUp(false);
  for (let second = 0; second <= 11; second++) at(second * 1000, second * 500_000);
  progress.end();
  assert.deepEqual(written, [
    "Downloading: 25%, 2.5 MB of 10 MB, 500 KB/s, 15s left\n",
    "Downloading: 50%, 5.0 MB of 10 MB, 500 KB/s, 10s left\n",
  ]);
});

Deno.test("does not show short transfers", () => {
  const { progress, written, at } = setUp(true);
  at(0, 0);
  at(200, 10_000_000);
  progress.end();
  assert.deepEqual(written, []);
});

Deno.test("formatBar() fits the terminal's width", () => {
  for (const columns of [10, 20, 40, 60, 80, 200]) {
    const line = formatBar({ done: 123_456_789, total: 987_654_321, rate: 12_345 }, columns);
    assert.ok(line.length < columns, `${columns}: ${line}`);
  }
});

Deno.test("formatProgress() omits unknown values", () => {
  assert.equal(formatProgress({ done: 0, total: 100, rate: 0 }), "0%, 0 B of 100 B");
  assert.equal(formatProgress({ done: 0, total: 0, rate: 0 }), "100%, 0 B of 0 B");
  assert.equal(
    formatProgress({ done: 0, total: 1_000_000_000, rate: 100_000 }),
    "0%, 0 B of 1.0 GB, 100 KB/s, 2h46m left",
  );
});

Deno.test("a step is one line that the next output replaces, and only a long one in a pipe", () => {
  const at = (terminal: boolean) => {
    let text = "";
    const stderr = (part: string) => void (text += part);
    const progress = makeProgress({ stderr, terminal, columns: () => 20, now: () => 0 });
    progress.step("Compiling", 18_000_000);
    progress.step("Verifying");
    progress.end();
    progress.step("Compiling a plugin with a long name");
    progress.show(0, 1);
    progress.end();
    return text;
  };
  assert.equal(
    at(true),
    "\r\x1b[KCompiling 18 MB …\r\x1b[K\r\x1b[KVerifying …\r\x1b[K\r\x1b[KCompiling a plugin \r\x1b[K",
  );
  assert.equal(at(false), "Compiling 18 MB …\n");
});

Deno.test("waiting is shown after a while, and not if it ends before", async () => {
  let text = "";
  const stderr = (part: string) => void (text += part);
  const progress = makeProgress({ stderr, terminal: true, columns: () => 40, now: () => 0 });
  progress.wait("Waiting for ghcr.io");
  progress.end();
  progress.wait("Waiting for a.example");
  while (text === "") await new Promise((resolve) => setTimeout(resolve, 50));
  progress.end();
  assert.equal(text, "\r\x1b[KWaiting for a.example …\r\x1b[K");
  const pipe = makeProgress({ stderr, terminal: false, columns: () => 40, now: () => 0 });
  pipe.wait("Waiting");
  pipe.end();
});
