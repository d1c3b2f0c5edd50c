import assert from "node:assert/strict";
import { guestPath, pathMeant } from "../../runtime/host_path.ts";

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
