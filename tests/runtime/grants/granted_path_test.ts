import assert from "node:assert/strict";
import { walkGranted } from "../../../runtime/grants/granted_path.ts";
import { DENO_PATHS, type PathHost } from "../../../runtime/base/path_walk.ts";
import { temporaryDirectory } from "../../support/temporary.ts";

const ignore = Deno.build.os === "windows";

function grant(host: string, real: string) {
  return { host, guest: host, write: true, directory: true, real };
}

/** Acts as a user who is not root. */
function asUser(act: () => void): void {
  const { uid } = Deno;
  Deno.uid = () => 4711;
  try {
    act();
  } finally {
    Deno.uid = uid;
  }
}

/** The host's files, with one more link in the root directory, which only root can have made. */
function withRootsLink(name: string, target: string): PathHost {
  return {
    find: (path) =>
      path === name ? { identity: "root's link", type: "link", changed: 0 } : DENO_PATHS.find(path),
    readLink: (path) => path === name ? target : DENO_PATHS.readLink(path),
  };
}

Deno.test("refuses a directory in the place of the link that the grant went through", { ignore }, () => {
  const base = temporaryDirectory();
  for (const name of ["here", "there"]) Deno.mkdirSync(`${base}/${name}`);
  const host = `${base}/here/link`;
  const granted = grant(host, `${base}/there`);
  Deno.symlinkSync("../there", host);
  assert.equal(walkGranted(granted, "foo").path, `${base}/there`);
  Deno.removeSync(host);
  Deno.mkdirSync(host);
  const moved = { code: "GRANT_INVALID", message: /when it was granted, and leads to/ };
  assert.throws(() => walkGranted(granted, "foo"), moved);
  asUser(() => assert.throws(() => walkGranted(granted, "foo"), moved));
  // With a link of root's still on the way.
  const files = withRootsLink("/data", base);
  asUser(() =>
    assert.throws(() => walkGranted(grant("/data/here/link", `${base}/there`), "foo", files), moved)
  );
  assert.equal(walkGranted(grant(host, host), "foo").path, host, "a grant of the directory itself");
});

Deno.test("accepts what only root can have changed", { ignore }, () => {
  const base = temporaryDirectory();
  asUser(() => {
    assert.equal(walkGranted(grant("/data", "/old"), "foo", withRootsLink("/data", base)).path, base);
    assert.equal(walkGranted(grant("/usr/bin", "/old/bin"), "foo").path, "/usr/bin");
  });
});
