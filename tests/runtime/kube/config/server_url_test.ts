import assert from "node:assert/strict";
import { hasZone, serverOf } from "../../../../runtime/kube/config/server_url.ts";

const of = (text: string) =>
  serverOf(text, (what) => {
    throw new Error(what);
  }).server;

Deno.test("serverOf() encodes a path as client-go does", () => {
  for (
    const [text, path] of [
      ["", ""],
      ["/", ""],
      ["/a/", "/a"],
      ["//a///b//", "/a/b"],
      ["/a%2Fb", "/a/b"],
      ["/a%2fb/%2e%2e/c", "/a/c"],
      ["/a/./b/../c", "/a/c"],
      ["/..", ""],
      ["/%41~%7e", "/A~~"],
      ["/a%2520b", "/a%2520b"],
      ["/a b", "/a%20b"],
      ["/größe", "/gr%C3%B6%C3%9Fe"],
      ["/gr%f6", "/gr%F6"],
      ["/a+b!$&'()*,;=:@", "/a+b%21$&%27%28%29%2A,;=:@"],
      ["/a|b^c\\d", "/a%7Cb%5Ec%5Cd"],
      ["/a?b/../c#d", "/a"],
      ["?x=/y", ""],
    ]
  ) assert.equal(of(`https://h:1${text}`), `https://h:1${path}`, text);
  assert.equal(of("https://u:p%2F@h/a"), "https://h/a");
  assert.equal(of("h:8080"), "http://h:8080");
  for (const broken of ["/%", "/a%zz", "/a%2"]) {
    assert.throws(() => of(`https://h${broken}`), /broken escape/);
  }
});

Deno.test("serverOf() reports an IPv6 zone", () => {
  for (const text of ["https://[fe80::1%25eth0]:1", "http://u:p@[fe80::1%eth0]/a", "[fe80::1%25lo]:1"]) {
    assert.ok(hasZone(text), text);
    assert.throws(() => of(text), /has an IPv6 zone/);
  }
  for (const text of ["https://[fe80::1]:1/%25", "https://h/[a%25]", "https://u%25:[x]@h"]) {
    assert.ok(!hasZone(text), text);
  }
});
