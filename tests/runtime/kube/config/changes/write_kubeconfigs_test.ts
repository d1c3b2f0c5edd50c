import assert from "node:assert/strict";
import type { ContextChange } from "../../../../../runtime/kube/config/changes/context_changes.ts";
import { loadYaml, writeKubeconfigs } from "../../../../../runtime/kube/config/changes/write_kubeconfigs.ts";
import type { AppError } from "../../../../../runtime/base/errors.ts";
import { temporaryDirectory } from "../../../../support/temporary.ts";

const yaml = await loadYaml();
const TEXT = `contexts:
- context: &shared
    cluster: one
    user: jane
  name: a
- context: *shared
  name: b
- context:
    <<: *shared
    namespace: x
  name: c
current-context: a
`;
const USE: ContextChange = { kind: "use", from: "a", to: "c" };

function file(text = TEXT): string {
  const path = `${temporaryDirectory()}/config`;
  Deno.writeTextFileSync(path, text);
  return path;
}

const write = (
  path: string,
  changes: readonly ContextChange[] = [USE],
  known = Deno.readTextFileSync(path),
) => writeKubeconfigs([path], new Map([[path, known]]), changes, yaml);

function refuses(path: string, run: () => unknown): AppError {
  const before = Deno.readTextFileSync(path);
  try {
    run();
  } catch (error) {
    assert.equal((error as AppError).code, "KUBECONFIG_UNCHANGED");
    assert.equal(Deno.readTextFileSync(path), before);
    return error as AppError;
  }
  assert.fail("it was changed");
}

Deno.test("writeKubeconfigs() keeps mode and link, and leaves no other file", () => {
  const path = file();
  const directory = path.slice(0, path.lastIndexOf("/"));
  Deno.chmodSync(path, 0o640);
  Deno.symlinkSync("config", `${directory}/link`);
  const texts = write(`${directory}/link`);
  assert.equal(Deno.readTextFileSync(path), TEXT.replace("current-context: a", "current-context: c"));
  assert.equal(texts.get(`${directory}/link`), Deno.readTextFileSync(path));
  assert.equal(Deno.statSync(path).mode! & 0o777, 0o640);
  assert.equal(Deno.readLinkSync(`${directory}/link`), "config");
  assert.deepEqual([...Deno.readDirSync(directory)].map(({ name }) => name).sort(), ["config", "link"]);
});

Deno.test("writeKubeconfigs() refuses a file that changed meanwhile", () => {
  const path = file();
  const { message } = refuses(path, () => write(path, [USE], `${TEXT}# earlier`));
  assert.match(message, /changed while/);
});

Deno.test("writeKubeconfigs() refuses a file that came or went meanwhile", () => {
  const path = file();
  refuses(path, () => writeKubeconfigs([path], new Map(), [USE], yaml));
  Deno.removeSync(path);
  assert.throws(() => write(path, [USE], TEXT), /changed while/);
});

Deno.test("writeKubeconfigs() refuses a file that another program has locked", () => {
  const path = file();
  Deno.writeTextFileSync(`${path}.lock`, "");
  assert.match(refuses(path, () => write(path)).message, /another program/);
  assert.ok(Deno.statSync(`${path}.lock`).isFile);
});

Deno.test("writeKubeconfigs() refuses a file that is not UTF-8", () => {
  const path = file();
  Deno.writeFileSync(path, new Uint8Array([...new TextEncoder().encode(TEXT), 0x23, 0xff, 0x0a]));
  assert.match(refuses(path, () => write(path)).message, /UTF-8/);
});

Deno.test("writeKubeconfigs() refuses a change that an anchor would spread", () => {
  const path = file();
  refuses(path, () => write(path, [{ kind: "namespace", context: "a", from: "", to: "z" }]));
  refuses(path, () => write(path, [{ kind: "namespace", context: "b", from: "", to: "z" }]));
  refuses(path, () => write(path, [{ kind: "delete", context: "a" }]));
});

Deno.test("writeKubeconfigs() changes a field beside a merge key", () => {
  const path = file();
  write(path, [{ kind: "namespace", context: "c", from: "x", to: "z" }]);
  assert.equal(Deno.readTextFileSync(path), TEXT.replace("namespace: x", "namespace: z"));
});

Deno.test("writeKubeconfigs() refuses a file with a key twice", () => {
  const path = file(`${TEXT}current-context: b\n`);
  refuses(path, () => write(path));
});

Deno.test("writeKubeconfigs() changes no file if one of several cannot be changed", () => {
  const [one, two] = [file("current-context: a\n"), file()];
  const known = new Map([one, two].map((path) => [path, Deno.readTextFileSync(path)]));
  const changes: ContextChange[] = [USE, { kind: "namespace", context: "b", from: "", to: "z" }];
  refuses(one, () => writeKubeconfigs([one, two], known, changes, yaml));
});

Deno.test("writeKubeconfigs() makes a missing file and its directory", () => {
  const path = `${temporaryDirectory()}/.kube/config`;
  const added: ContextChange = { kind: "add", context: "new", cluster: "", user: "", namespace: "x" };
  writeKubeconfigs([path], new Map(), [added, { kind: "use", from: "", to: "new" }], yaml);
  assert.equal(
    Deno.readTextFileSync(path),
    "current-context: new\ncontexts:\n- context:\n    namespace: x\n  name: new\n",
  );
});
