import assert from "node:assert/strict";
import { accountHome, homeIn, isOwn } from "../../../runtime/base/account_home.ts";

Deno.test("homeIn() finds a user by number, not by another field", () => {
  const passwd = [
    "root:x:0:0:root:/root:/bin/bash",
    "# 1000:x:1000",
    "jane:x:1000:1000:Jane,:/home/jane/:/bin/sh",
    "odd:x:1001:1000:1002:relative:/bin/sh",
    "",
  ].join("\n");
  assert.equal(homeIn(passwd, 0), "/root");
  assert.equal(homeIn(passwd, 1000), "/home/jane");
  for (const user of [1001, 1002, 10]) assert.equal(homeIn(passwd, user), undefined, String(user));
});

Deno.test(
  "accountHome() ignores HOME",
  { ignore: Deno.build.os === "windows" },
  async () => {
    const before = Deno.env.get("HOME");
    try {
      const known = await accountHome();
      Deno.env.set("HOME", "/nowhere");
      assert.equal(await accountHome(), known);
      assert.notEqual(known, "/nowhere");
    } finally {
      if (before !== undefined) Deno.env.set("HOME", before);
    }
  },
);

Deno.test("isOwn() accepts only existing directories of the user", () => {
  assert.ok(isOwn(Deno.makeTempDirSync()));
  assert.ok(!isOwn("/nowhere"));
  assert.ok(!isOwn(new URL(import.meta.url).pathname));
});
