/** Compares walks with the operating system's own resolution. */

import assert from "node:assert/strict";
import { isWithin, parentOf, realPath } from "../../../runtime/base/host_path.ts";
import { DENO_PATHS, foundOf, type PathHost, walkPath } from "../../../runtime/base/path_walk.ts";
import { fc, fuzz } from "../../support/fuzz.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const identity = (path: string) => foundOf(Deno.lstatSync(path), path).identity;

Deno.test("walkPath() returns the links and directories on the way, by identity", () => {
  const base = temporaryDirectory();
  Deno.mkdirSync(`${base}/home/dots/kube`, { recursive: true });
  Deno.writeTextFileSync(`${base}/home/dots/kube/real`, "");
  Deno.symlinkSync("dots/../dots/kube", `${base}/home/.kube`);
  Deno.symlinkSync("real", `${base}/home/dots/kube/config`);
  const { path, found, spot, rest, links, passed } = walkPath(`${base}/home/.kube/config`, DENO_PATHS);
  assert.equal(path, `${base}/home/dots/kube/real`);
  assert.deepEqual([found?.identity, found?.type], [identity(path), "other"]);
  assert.deepEqual(rest, []);
  assert.deepEqual([spot?.directory, spot?.name], [`${base}/home/dots/kube`, "real"]);
  assert.deepEqual(
    links.map(({ link, directory, name }) => [link, directory, name]),
    [
      [identity(`${base}/home/.kube`), `${base}/home`, ".kube"],
      [identity(`${base}/home/dots/kube/config`), `${base}/home/dots/kube`, "config"],
    ],
  );
  for (const each of ["/", base, `${base}/home`, `${base}/home/dots`, `${base}/home/dots/kube`]) {
    assert.ok(passed.has(identity(each)), each);
  }
});

Deno.test("walkPath() follows missing names, and links to them", () => {
  const base = temporaryDirectory();
  Deno.mkdirSync(`${base}/dots`);
  Deno.symlinkSync("dots/later/file", `${base}/link`);
  for (const start of [`${base}/link`, `${base}/dots/later/file`]) {
    const { path, found, spot, rest } = walkPath(start, DENO_PATHS);
    assert.equal(path, `${base}/dots/later/file`);
    assert.equal(found, undefined);
    assert.deepEqual([spot?.directory, spot?.name, rest], [`${base}/dots`, "later", ["file"]]);
    assert.equal(spot?.above.at(-1), identity(`${base}/dots`));
  }
  Deno.writeTextFileSync(`${base}/file`, "");
  assert.equal(walkPath(`${base}/file/below`, DENO_PATHS).found, undefined, "below a file nothing is");
});

Deno.test("walkPath() ends in a loop, at a root, and at a directory by dots", () => {
  const base = temporaryDirectory();
  Deno.symlinkSync("loop", `${base}/loop`);
  assert.equal(walkPath(`${base}/loop`, DENO_PATHS).found?.type, "link");
  assert.deepEqual(walkPath("/", DENO_PATHS).spot, undefined);
  Deno.symlinkSync(".", `${base}/here`);
  const { path, spot } = walkPath(`${base}/here`, DENO_PATHS);
  assert.equal(path, base);
  assert.equal(`${spot?.directory}/${spot?.name}`, base);
});

Deno.test("walkPath() knows the drives and shares of Windows", () => {
  const links: Record<string, string> = {
    "C:/Users/me": "D:/me",
    "D:/me/docs": "/shared/docs",
    "D:/me/net": "//server/share/docs",
  };
  const host: PathHost = {
    find: (path) => ({ identity: path, type: path in links ? "link" : "directory", changed: 0 }),
    readLink: (path) => links[path]!,
  };
  assert.equal(walkPath("C:/Users/me/x", host).path, "D:/me/x");
  assert.equal(walkPath("C:/Users/me/docs/x", host).path, "D:/shared/docs/x");
  assert.equal(walkPath("C:/Users/me/net/x", host).path, "//server/share/docs/x");
  assert.deepEqual(walkPath("C:/", host).path, "C:/");
});

const names = fc.constantFrom("a", "b", "c");
const targets = fc.array(fc.oneof(names, fc.constantFrom("..", ".", "")), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join("/") || ".");
const entries = fc.array(
  fc.record({
    path: fc.array(names, { minLength: 1, maxLength: 3 }),
    kind: fc.constantFrom("directory", "directory", "link", "absolute", "file"),
    target: targets,
  }),
  { maxLength: 12 },
);

Deno.test("walkPath() ends where the operating system's resolution ends", () =>
  fuzz(
    "ways",
    fc.property(entries, fc.array(names, { minLength: 1, maxLength: 5 }), (entries, path) => {
      const base = realPath(Deno.makeTempDirSync({ prefix: "walk-" }));
      try {
        for (const { path, kind, target } of entries) {
          const at = `${base}/${path.join("/")}`;
          try {
            // Create nothing outside of the test's directory.
            if (!isWithin(realPath(parentOf(at)), base)) continue;
            if (kind === "directory") Deno.mkdirSync(at);
            else if (kind === "file") Deno.writeTextFileSync(at, "", { createNew: true });
            else Deno.symlinkSync(kind === "link" ? target : `${base}/${target}`, at);
          } catch { /* taken, or no such directory */ }
        }
        const start = [base, ...path].join("/");
        const walk = walkPath(start, DENO_PATHS);
        let real: string | undefined;
        try {
          real = realPath(start);
        } catch { /* not there */ }
        if (real === "/") return assert.equal(walk.path, "/");
        if (real === undefined) return assert.ok(walk.found === undefined || walk.found.type === "link");
        assert.equal(walk.path, real);
        assert.equal(walk.found?.identity, identity(real));
        const { directory, name } = walk.spot!;
        assert.equal(directory === "/" ? `/${name}` : `${directory}/${name}`, real);
        assert.equal(walk.spot!.above.at(-1), identity(walk.spot!.directory));
      } finally {
        Deno.removeSync(base, { recursive: true });
      }
    }),
  ));
