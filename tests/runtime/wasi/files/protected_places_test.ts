/** Names and directories of protected files. */

import assert from "node:assert/strict";
import type { PathWalk } from "../../../../runtime/base/path_walk.ts";
import { deviceOf, namesOf, outermost, placeOf } from "../../../../runtime/wasi/files/protected_places.ts";

function walkOf(path: string, identity: string | undefined, walk: Partial<PathWalk> = {}): PathWalk {
  const found = identity === undefined ? undefined : { identity, type: "directory", changed: 0 };
  return {
    path,
    found,
    links: [],
    passed: new Set(),
    rest: [],
    spot: undefined,
    ...walk,
  } as unknown as PathWalk;
}

Deno.test("the same name in two spellings has one place, in two directories two", () => {
  assert.equal(placeOf("1:2", "Config"), placeOf("1:2", "config. "));
  assert.notEqual(placeOf("1:2", "config"), placeOf("1:3", "config"));
  assert.equal(deviceOf("12:345"), "12");
});

Deno.test("outermost() leaves out directories below others on the same device", () => {
  const paths = (walks: PathWalk[]) => outermost(walks).map(({ path }) => path);
  const [home, below, mounted] = [walkOf("/a", "1:1"), walkOf("/a/b", "1:2"), walkOf("/a/m", "2:1")];
  assert.deepEqual(paths([home, below, mounted]), ["/a", "/a/m"]);
  assert.deepEqual(paths([home, home]), ["/a"], "once");
  assert.deepEqual(paths([walkOf("/missing", undefined)]), []);
});

Deno.test("namesOf() returns the path's own name and those of links to its end", () => {
  const spot = { directory: "/", above: ["1:1"], name: "file" };
  const linkOf = (name: string, last: boolean) => ({ ...spot, name, last, link: `1:${name}` });
  const names = (walk: Partial<PathWalk>) => namesOf(walkOf("/f", "1:9", walk)).map(({ name }) => name);
  const links = [linkOf("link", true), linkOf("way", false)];
  assert.deepEqual(names({ spot, links }), ["file", "link"]);
  assert.deepEqual(names({ spot, links, rest: ["missing"] }), ["link"]);
});
