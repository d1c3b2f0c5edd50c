import assert from "node:assert/strict";
import {
  guestPath,
  isBelow,
  isRoot,
  isSamePath,
  isWithin,
  parentOf,
  pathBelow,
  pathMeant,
  withoutSlash,
} from "../../../runtime/base/host_path.ts";

Deno.test("guestPath() makes POSIX paths, on Windows too", () => {
  for (
    const [host, guest] of [
      ["C:/Users/me", "/C:/Users/me"],
      ["c:", "/c:"],
      ["//server/share/x", "//server/share/x"],
      ["/guest", "/guest"],
      [".", "."],
      ["C:x", "C:x"],
    ] as const
  ) {
    assert.equal(guestPath(host, true), guest);
    assert.equal(pathMeant(guest, true), host);
    assert.equal(guestPath(host, false), host);
    assert.equal(pathMeant(guest, false), guest);
  }
});

Deno.test("isWithin() compares whole names", () => {
  for (
    const [path, root] of [["/srv/a", "/srv"], ["/srv/a/b", "/srv/a"], ["/srv", "/"], ["/srv/a", "/srv/"]]
  ) {
    assert.ok(isWithin(path!, root!) && isBelow(path!, root!), `${path} in ${root}`);
  }
  for (const [path, root] of [["/srvx", "/srv"], ["/", "/srv"], ["/srv", "/srv/a"], ["/srv.old/a", "/srv"]]) {
    assert.ok(!isWithin(path!, root!) && !isBelow(path!, root!), `${path} in ${root}`);
  }
  for (const root of ["/srv", "/"]) assert.ok(isWithin(root, root) && !isBelow(root, root), root);
  assert.deepEqual(["/srv/a/b", "/srv", "/", "C:/a/b", "C:/a", "C:/"].map(parentOf), [
    ...["/srv/a", "/", "/"],
    ...["C:/a", "C:/", "C:/"],
  ]);
});

Deno.test("on Windows paths compare without case, with both slashes", () => {
  for (
    const [one, other] of [
      ["C:/Users/me", "c:/users/ME"],
      ["C:\\Users\\me", "C:/Users/me"],
      ["C:", "c:/"],
      ["C:/\u00e9", "C:/\u00c9"],
    ] as const
  ) {
    assert.ok(isSamePath(one, other, true), `${one} and ${other}`);
    assert.ok(!isSamePath(one, other, false), `${one} and ${other}`);
  }
  // Upper-casing these letters would make two: Windows treats them as different names.
  for (
    const [one, other] of [["C:/stra\u00dfe", "C:/strasse"], ["C:/a", "D:/a"], ["C:/a", "C:/a b"]] as const
  ) {
    assert.ok(!isSamePath(one, other, true), `${one} and ${other}`);
  }
  assert.ok(isWithin("c:/users/me/.SSH", "C:/Users/Me", true) && isBelow("c:/users", "C:/", true));
  assert.ok(!isWithin("C:/Users/men", "C:/Users/me", true));
  assert.equal(pathBelow("c:/users/me/x/Y", "C:/Users/me", true), "x/Y");
  assert.equal(pathBelow("C:/x", "C:/", true), "x");
  assert.equal(pathBelow("C:/x", "C:/x", true), undefined);
});

Deno.test("isRoot() recognizes roots, drives and shares", () => {
  for (const root of ["/", "C:/", "c:", "//server/share", "//server/share/"]) assert.ok(isRoot(root), root);
  for (const path of ["/a", "C:/a", "C:x", "//server", "", "~", "//server/share/x"]) {
    assert.ok(!isRoot(path), path);
  }
  assert.deepEqual(
    ["/", "//", "/a/", "/a", "C:/", "C:", "C:/a//"].map(withoutSlash),
    ["/", "/", "/a", "/a", "C:/", "C:/", "C:/a"],
  );
});
