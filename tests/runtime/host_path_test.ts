import assert from "node:assert/strict";
import { guestPath, isBelow, isWithin, parentOf, pathMeant } from "../../runtime/host_path.ts";

Deno.test("a plugin has absolute paths as POSIX has them, on Windows too", () => {
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

Deno.test("what is within a directory is told by whole names", () => {
  for (
    const [path, root] of [["/srv/a", "/srv"], ["/srv/a/b", "/srv/a"], ["/srv", "/"], ["/srv/a", "/srv/"]]
  ) {
    assert.ok(isWithin(path!, root!) && isBelow(path!, root!), `${path} in ${root}`);
  }
  for (const [path, root] of [["/srvx", "/srv"], ["/", "/srv"], ["/srv", "/srv/a"], ["/srv.old/a", "/srv"]]) {
    assert.ok(!isWithin(path!, root!) && !isBelow(path!, root!), `${path} in ${root}`);
  }
  for (const root of ["/srv", "/"]) assert.ok(isWithin(root, root) && !isBelow(root, root), root);
  assert.deepEqual(["/srv/a/b", "/srv", "/"].map(parentOf), ["/srv/a", "/", "/"]);
});
