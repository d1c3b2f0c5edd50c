/** The decisions about files, on a file system in memory. */

import assert from "node:assert/strict";
import type { Mount } from "../../../../runtime/sandbox/types.ts";
import { parentOf } from "../../../../runtime/base/host_path.ts";
import { WasiError } from "../../../../runtime/wasi/errno.ts";
import {
  checkLinkTarget,
  denied,
  FileDecisions,
  type Grant,
  type Place,
  refuseDirectoryOfFiles,
  refuseInPlaceOfFile,
} from "../../../../runtime/wasi/files/file_decisions.ts";
import type { Stat } from "../../../../runtime/wasi/files/file_tree.ts";
import type { Entry, ProtectedFiles, ProtectionHost } from "../../../../runtime/wasi/files/protection.ts";
import { errnoOf } from "../../../support/file_trees.ts";

/** Directories and files. A path's identity is the path itself, unless another one is given. */
const FILES: Readonly<Record<string, "directory" | "file">> = {
  "/": "directory",
  "/home": "directory",
  "/home/me": "directory",
  "/home/me/mine": "directory",
  "/home/me/mine/file": "file",
  "/home/me/store": "directory",
  "/home/me/store/receipt": "file",
  "/home/me/secret": "directory",
  "/home/me/secret/key": "file",
  "/home/me/kube": "file",
  "/other": "directory",
  "/other/file": "file",
};

/** Further names, below a directory, of the file with an identity. */
const LINKED: Readonly<Record<string, string>> = {
  "/home/me/store": "1:/linked",
  "/home/me/secret": "1:/key",
};

const host: ProtectionHost = {
  tick: 0,
  find(path) {
    const type = FILES[path];
    return type && { identity: `1:${path}`, type: type === "file" ? "other" : type, changed: 0 };
  },
  readLink: () => undefined,
  holds: (directory, identity) => LINKED[directory] === identity,
  lookAhead() {},
};

const PROTECTED: ProtectedFiles = {
  overlays: [{ host: "/home/me/kube", content: () => new Uint8Array() }],
  protectedPaths: ["/home/me/store", "/home/me/missing/file"],
  unprotectedPaths: [],
};

const decisionsOf = (files: Partial<ProtectedFiles> = {}) =>
  new FileDecisions({ ...PROTECTED, ...files }, host);

function* above(path: string): Generator<string> {
  for (let at = path;; at = parentOf(at)) {
    yield `1:${at}`;
    if (at === "/") return;
  }
}

function grantOf(path: string, mount: Partial<Mount> = {}): Grant {
  return {
    mount: { guest: "/g", host: path, write: true, ...mount },
    above: () => above(path),
    hasMounts: () => false,
  };
}

/** The place of a path in a grant. */
function placeOf(grant: Grant, path: string, place: Partial<Place> = {}): Place {
  return {
    grant,
    text: path.slice(path.lastIndexOf("/") + 1),
    directoryIdentity: () => `1:${parentOf(path)}`,
    above: () => above(parentOf(path)),
    aboveMounted: () => [],
    file: () => host.find(path)?.identity,
    verify() {},
    ...place,
  };
}

const entryOf = (path: string, entry: Partial<Entry> = {}): Entry => ({
  identity: `1:${path}`,
  type: FILES[path] === "directory" ? "directory" : "regular-file",
  links: 1n,
  ...entry,
});

const HOME = grantOf("/home/me");
const MINE = "/home/me/mine/file";

/** Each change of the file at a path, and of its name. */
function changesOf(decisions: FileDecisions, grant: Grant, path: string, entry = entryOf(path)) {
  const place = placeOf(grant, path);
  const mine = placeOf(grant, MINE);
  return {
    "create": () => decisions.checkCreation(place, "regular-file"),
    "create a directory": () => decisions.checkCreation(place, "directory"),
    "create a link": () => decisions.checkCreation(place, "symbolic-link"),
    "write": () => decisions.checkContent(place, entry),
    "remove": () => decisions.checkRemoval(place, entry),
    "move away": () => decisions.checkMove(place, entry, mine, () => undefined),
    "replace": () => decisions.checkMove(mine, entryOf(MINE), place, () => entry),
    "link": () => decisions.checkLink(place, entry, mine),
    "link over it": () => decisions.checkLink(mine, entryOf(MINE), place),
  };
}

function errnosOf(changes: Readonly<Record<string, () => void>>): Record<string, string> {
  return Object.fromEntries(Object.entries(changes).map(([name, change]) => [name, errnoOf(change)]));
}

const all = (errno: string) =>
  Object.fromEntries(Object.keys(changesOf(decisionsOf(), HOME, MINE)).map((name) => [name, errno]));

Deno.test("lets a plugin change its own files in every way", () => {
  assert.deepEqual(errnosOf(changesOf(decisionsOf(), HOME, MINE)), all("ok"));
});

Deno.test("refuses every change in a read-only grant", () => {
  const grant = grantOf("/home/me", { write: false });
  assert.deepEqual(errnosOf(changesOf(decisionsOf(), grant, MINE)), all("read-only"));
  const place = placeOf(grant, MINE);
  assert.equal(errnoOf(() => decisionsOf().checkDirectory(place)), "read-only");
});

Deno.test("needs a grant to write at both ends of a move and a link", () => {
  const decisions = decisionsOf();
  const readOnly = placeOf(grantOf("/other", { write: false }), "/other/file");
  const mine = placeOf(HOME, MINE);
  for (const [source, target] of [[readOnly, mine], [mine, readOnly]] as const) {
    const none = () => undefined;
    assert.equal(errnoOf(() => decisions.checkMove(source, entryOf(MINE), target, none)), "read-only");
    assert.equal(errnoOf(() => decisions.checkLink(source, entryOf(MINE), target)), "read-only");
  }
});

Deno.test("refuses every change of a protected directory and of the files in it", () => {
  for (const path of ["/home/me/store", "/home/me/store/receipt", "/home/me/store/new", "/home/me/kube"]) {
    assert.deepEqual(errnosOf(changesOf(decisionsOf(), HOME, path)), all("not-permitted"), path);
  }
});

Deno.test("refuses every change in a grant inside of a protected directory", () => {
  const grant = grantOf("/home/me/store");
  const changes = changesOf(decisionsOf(), grant, "/home/me/store/receipt");
  assert.deepEqual(errnosOf(changes), all("not-permitted"));
  const place = placeOf(grant, "/home/me/store/receipt");
  assert.equal(errnoOf(() => decisionsOf().checkDirectory(place)), "not-permitted");
});

Deno.test("keeps the directories above a protected file where they are", () => {
  const { remove, replace, "move away": away, write } = changesOf(decisionsOf(), grantOf("/"), "/home/me");
  for (const change of [remove, replace, away]) assert.equal(errnoOf(change), "not-permitted");
  assert.equal(errnoOf(write), "ok", "its times may change");
});

Deno.test("creates only directories on the way to a missing protected file", () => {
  const way = placeOf(HOME, "/home/me/missing");
  assert.equal(errnoOf(() => decisionsOf().checkCreation(way, "directory")), "ok");
  assert.equal(errnoOf(() => decisionsOf().checkCreation(way, "regular-file")), "not-permitted");
  assert.equal(errnoOf(() => decisionsOf().checkCreation(way, "symbolic-link")), "not-permitted");
});

Deno.test("refuses to change a protected file by a further name, wherever it is", () => {
  const entry = entryOf("/other/file", { identity: "1:/linked", links: 2n });
  const decisions = decisionsOf();
  const changes = errnosOf(changesOf(decisions, grantOf("/other"), "/other/file", entry));
  assert.equal(changes["write"], "not-permitted");
  assert.equal(changes["link"], "not-permitted");
  assert.equal(changes["remove"], "ok", "the other name stays");
});

Deno.test("refuses a place that its tree refuses, before it looks at protected files", () => {
  const place = placeOf(HOME, MINE, {
    verify() {
      throw new WasiError("access");
    },
  });
  assert.equal(errnoOf(() => decisionsOf().checkContent(place, entryOf(MINE))), "access");
});

Deno.test("refuses a mount point whose other place is protected", () => {
  const grant: Grant = { ...grantOf("/other"), hasMounts: () => true };
  const place = placeOf(grant, "/other/file", { aboveMounted: () => above("/home/me/store/receipt") });
  const decisions = decisionsOf();
  assert.equal(errnoOf(() => decisions.checkContent(place, entryOf("/other/file"))), "not-permitted");
  assert.equal(errnoOf(() => decisions.checkRemoval(place, entryOf("/other/file"))), "not-permitted");
});

Deno.test("checks the times of a file that was opened for reading only", () => {
  const decisions = decisionsOf();
  const check = (grant: Grant, entry: Entry, path: string) =>
    errnoOf(() => decisions.checkOpenFile(grant, entry, () => above(parentOf(path))));
  assert.equal(check(HOME, entryOf(MINE), MINE), "ok");
  assert.equal(check(HOME, entryOf("/home/me/kube"), "/home/me/kube"), "not-permitted");
  const moved = "/home/me/store/receipt";
  assert.equal(check(HOME, entryOf(MINE), moved), "not-permitted", "its directory is protected by now");
  const linked = entryOf("/other/file", { identity: "1:/linked", links: 2n });
  assert.equal(check(grantOf("/other"), linked, "/other/file"), "not-permitted");
});

Deno.test("a denied name looks missing, and can't be created", () => {
  const decisions = decisionsOf({ deniedPaths: ["/home/me/secret", "/home/me/absent"] });
  for (const path of ["/home/me/secret", "/home/me/absent", "/home/me/SECRET"]) {
    const place = placeOf(HOME, path);
    assert.equal(errnoOf(() => decisions.refuseDenied(place, false)), "no-entry", path);
    assert.equal(errnoOf(() => decisions.refuseDenied(place, true)), "not-permitted", path);
  }
  assert.equal(errnoOf(() => decisions.refuseDenied(placeOf(HOME, MINE), false)), "ok");
  assert.equal(denied(grantOf("/home/me", { write: false }), true).errno, "read-only");
});

Deno.test("denies a file by its identity, a further name, and its directory", () => {
  const decisions = decisionsOf({ deniedPaths: ["/home/me/secret"] });
  const denies = (grant: Grant, path: string, entry: Partial<Entry> = {}) =>
    decisions.deniesFile(grant, entryOf(path, entry));
  assert.equal(denies(HOME, "/home/me/secret"), true);
  assert.equal(denies(HOME, MINE), false);
  assert.equal(denies(HOME, MINE, { identity: "1:/key", links: 2n }), true);
  const single = grantOf("/home/me/secret", { only: ["key"] });
  assert.equal(denies(single, "/home/me/secret/key"), true);
  assert.equal(decisionsOf().deniesFile(HOME, entryOf("/home/me/secret")), false, "nothing is denied");
});

Deno.test("hides denied names in a listing, and nothing without a denial", () => {
  const isHidden = decisionsOf({ deniedPaths: ["/home/me/secret"] }).hiddenIn("1:/home/me");
  assert.equal(isHidden?.("secret", "1:/home/me/secret"), true);
  assert.equal(isHidden?.("other name", "1:/home/me/secret"), true);
  assert.equal(isHidden?.("mine", "1:/home/me/mine"), false);
  assert.equal(decisionsOf().hiddenIn("1:/home/me"), undefined);
});

Deno.test("tells whether a path is denied, exempt, or mounted from a denied place", () => {
  const decisions = decisionsOf({
    deniedPaths: ["/home/me/secret"],
    unprotectedPaths: ["/home/me/mine"],
  });
  const pathOf = (names: readonly string[]) => `/${["home", "me", ...names].join("/")}`;
  const denialOf = decisions.denials({
    above: () => above("/home/me"),
    identity: (names) => host.find(pathOf(names))?.identity,
    text: (names) => names.at(-1)!,
    aboveMounted: (names) => names[0] === "kube" ? above("/home/me/secret") : [],
  });
  assert.equal(denialOf([]), undefined);
  assert.equal(denialOf(["secret"]), "denied");
  assert.equal(denialOf(["mine"]), "exempt");
  assert.equal(denialOf(["store"]), undefined);
  assert.equal(denialOf(["kube"]), "denied");
});

Deno.test("a directory with denied names shows neither link count nor size", () => {
  const stat = { type: "directory", links: 7n, size: 4096n } as Stat;
  const decisions = decisionsOf({ deniedPaths: ["/home/me/secret"] });
  assert.deepEqual(decisions.shown(stat, "1:/home/me"), { ...stat, links: 1n, size: 0n });
  assert.equal(decisions.shown(stat, "1:/home/me/mine"), stat);
  assert.equal(decisionsOf().shown(stat, "1:/home/me"), stat);
});

Deno.test("a single granted file is replaced only by a file", () => {
  const single = grantOf("/home/me", { only: ["kube"] });
  for (const made of ["directory", "symbolic-link", "hard-link", "fifo"] as const) {
    assert.equal(errnoOf(() => refuseInPlaceOfFile(single, made)), "not-permitted", made);
    assert.equal(errnoOf(() => refuseInPlaceOfFile(HOME, made)), "ok", made);
  }
  assert.equal(errnoOf(() => refuseInPlaceOfFile(single, "regular-file")), "ok");
  const granted = grantOf("/home/me", { only: ["new"], makesDirectory: true });
  assert.equal(errnoOf(() => refuseInPlaceOfFile(granted, "directory")), "ok");
  assert.equal(errnoOf(() => refuseInPlaceOfFile(granted, "symbolic-link")), "not-permitted");
  assert.equal(errnoOf(() => refuseDirectoryOfFiles(single)), "not-permitted");
  assert.equal(errnoOf(() => refuseDirectoryOfFiles(HOME)), "ok");
});

Deno.test("no operation puts a directory or a link in place of a single granted file", () => {
  const decisions = decisionsOf();
  const single = placeOf(grantOf("/other", { only: ["file"] }), "/other/file");
  const mine = placeOf(HOME, MINE);
  const move = (type: Entry["type"]) => () =>
    decisions.checkMove(mine, entryOf(MINE, { type }), single, () => undefined);
  for (
    const change of [
      () => decisions.checkCreation(single, "directory"),
      () => decisions.checkCreation(single, "symbolic-link"),
      () => decisions.checkLink(mine, entryOf(MINE), single),
      move("directory"),
      move("symbolic-link"),
    ]
  ) assert.equal(errnoOf(change), "not-permitted");
  assert.equal(errnoOf(() => decisions.checkCreation(single, "regular-file")), "ok");
  assert.equal(errnoOf(move("regular-file")), "ok");
});

Deno.test("a new link must not be absolute or empty, as text and as bytes", () => {
  for (
    const [target, errno] of [
      ["file", "ok"],
      ["../up", "ok"],
      ["", "no-entry"],
      ["a\0b", "invalid"],
      ["/etc/passwd", "not-permitted"],
    ] as const
  ) {
    assert.equal(errnoOf(() => checkLinkTarget(target)), errno, target);
    assert.equal(errnoOf(() => checkLinkTarget(new TextEncoder().encode(target))), errno, target);
  }
});

Deno.test("looks at the protection again when a protected file moved", () => {
  let moved = false;
  const moving: ProtectionHost = {
    ...host,
    find(path) {
      if (moved && path.startsWith("/home/me/store")) path = path.replace("store", "secret");
      const found = host.find(path);
      return found && { ...found, changed: moved ? 1 : 0 };
    },
  };
  const decisions = new FileDecisions(PROTECTED, moving);
  const secret = placeOf(HOME, "/home/me/secret");
  assert.equal(errnoOf(() => decisions.checkRemoval(secret, entryOf("/home/me/secret"))), "ok");
  moved = true;
  assert.equal(errnoOf(() => decisions.checkRemoval(secret, entryOf("/home/me/secret"))), "not-permitted");
});
