import assert from "node:assert/strict";
import { AppError } from "../../../runtime/base/errors.ts";
import { closePrivateDirectory, openPrivateDirectory } from "../../../runtime/sandbox/private_directory.ts";
import { layoutAt } from "../../../runtime/store/layout.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const names = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name).sort();
const NAMES = ["cache", "config", "kube", "share", "state", "tmp"];

function setUp() {
  const layout = layoutAt(temporaryDirectory());
  const traces: string[] = [];
  return {
    layout,
    traces,
    open: (installed: boolean) => openPrivateDirectory({ name: "foo", layout, installed }),
    close: (own: ReturnType<typeof openPrivateDirectory>) =>
      closePrivateDirectory(own, (line) => traces.push(line)),
  };
}

Deno.test("an installed plugin's directory lies in the store and stays", () => {
  const { layout, open, close } = setUp();
  const own = open(true);
  assert.deepEqual(own, { path: layout.dataDir("foo"), ofThisRun: false });
  assert.deepEqual(names(own.path), NAMES);
  Deno.writeTextFileSync(`${own.path}/state/a`, "");
  close(own);
  assert.deepEqual(open(true), own);
  assert.deepEqual(names(`${own.path}/state`), ["a"]);
});

Deno.test("creates missing directories again", () => {
  const { layout, open } = setUp();
  Deno.mkdirSync(`${layout.dataDir("foo")}/cache`, { recursive: true });
  assert.deepEqual(names(open(true).path), NAMES);
});

Deno.test("a program that is not installed gets a directory for its run", () => {
  const { open, close } = setUp();
  const own = open(false);
  assert.equal(own.ofThisRun, true);
  assert.deepEqual(names(own.path), NAMES);
  if (Deno.build.os !== "windows") {
    assert.equal(Deno.statSync(own.path).mode! & 0o77, 0, "for the user alone");
  }
  close(own);
  assert.throws(() => Deno.statSync(own.path), Deno.errors.NotFound);
});

Deno.test("a directory that cannot be removed is traced and fails nothing", () => {
  const { traces, close } = setUp();
  close({ path: "/nowhere/at/all\0", ofThisRun: true });
  assert.equal(traces.length, 1);
});

Deno.test("refuses a store where the directory cannot be made", () => {
  const { layout, open } = setUp();
  Deno.writeTextFileSync(layout.data, "a file in the directory's place");
  assert.throws(() => open(true), (error) => error instanceof AppError && error.code === "STORE_FAILED");
});
