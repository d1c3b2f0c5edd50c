/** The access that a run keeps. */

import assert from "node:assert/strict";
import {
  asksOverSockets,
  restrictionOf,
  type RunFacts,
} from "../../../../runtime/sandbox/kernel/kept_access.ts";

const FACTS: RunFacts = {
  read: ["/bin/krew-wasm"],
  write: ["/store/data/x"],
  log: "/store/log",
  remove: [],
  mounts: [],
  descriptors: undefined,
  listed: [],
  overlaid: [],
  listen: undefined,
  network: undefined,
};
const NETWORK = { places: [], ownPorts: [], renewed: [], env: {}, services: undefined };

/** The paths with an access. */
const paths = (facts: Partial<RunFacts>, access: string) =>
  restrictionOf({ ...FACTS, ...facts }).paths.filter((kept) => kept.access === access).map(({ path }) =>
    path
  );

Deno.test("a run without a network keeps its own files and the engine's", () => {
  const { ports, names, unix } = restrictionOf(FACTS);
  assert.deepEqual({ ports, names, unix }, { ports: [], names: false, unix: false });
  assert.deepEqual(paths({}, "write"), ["/store/data/x"]);
  assert.deepEqual(paths({}, "log"), ["/store/log"]);
  assert.deepEqual(paths({}, "read"), [
    ...["/bin/krew-wasm", "/etc/localtime", "/usr/share/zoneinfo", "/dev/urandom", "/dev/null"],
  ]);
});

Deno.test("mounts can be read or changed, single files without their directory", () => {
  const mounts = [
    { guest: "/src", host: "/home/me/src", write: false },
    { guest: "/out", host: "/home/me/out", write: true },
    {
      ...{ guest: "/x", host: "/home/me", write: true, only: ["a", "b"] },
      names: new Map([["b", "real-b"]]),
    },
    { guest: "/", host: "/", write: false, only: ["etc-hosts"] },
  ];
  assert.deepEqual(paths({ mounts }, "write"), [
    ...["/store/data/x", "/home/me/out", "/home/me/a", "/home/me/real-b"],
  ]);
  assert.deepEqual(paths({ mounts }, "read").filter((path) => !paths({}, "read").includes(path)), [
    "/home/me/src",
    "/etc-hosts",
  ]);
});

Deno.test("rules name mounts by descriptor, and leave out replaced files", () => {
  const mounts = [
    { guest: "/src", host: "/home/me/src", write: false },
    { guest: "/kube", host: "/home/me/.kube", write: false, only: ["config", "other"] },
  ];
  const overlaid = ["/home/me/.kube/config"];
  const { paths } = restrictionOf({ ...FACTS, mounts, descriptors: [7, 8], overlaid });
  assert.deepEqual(paths.filter(({ from }) => from !== undefined), [
    { path: ".", access: "read", from: 7 },
    { path: "other", access: "read", from: 8 },
  ]);
});

Deno.test("a run with a network keeps its ports, and DNS if it needs names", () => {
  const of = (places: { hostname: string; port: number }[], more = {}) =>
    restrictionOf({ ...FACTS, network: { ...NETWORK, places, ...more } });
  const address = of([{ hostname: "10.0.0.1", port: 6443 }, { hostname: "::1", port: 6443 }]);
  assert.deepEqual([address.ports, address.names, address.unix], [[6443], false, false]);
  const name = of([{ hostname: "api.example", port: 443 }], { ownPorts: [40000] });
  assert.deepEqual([name.ports, name.names, name.unix], [[443, 40000], true, false]);
  const read = ({ paths }: typeof name) =>
    paths.filter(({ access }) => access === "read").map(({ path }) => path);
  assert.ok(read(name).includes("/etc/resolv.conf") && !read(address).includes("/etc/resolv.conf"));
  assert.ok(read(address).includes("/etc/ssl/certs"));
  assert.deepEqual([...name.paths, ...address.paths].filter(({ access }) => access === "write").length, 2);
});

Deno.test("a run keeps renewed files and the user's own certificates", () => {
  const { paths } = restrictionOf({
    ...FACTS,
    network: {
      ...NETWORK,
      renewed: ["/run/secrets/token"],
      env: { SSL_CERT_FILE: "/my/ca.pem", SSL_CERT_DIR: "/a:/b:" },
    },
  });
  const read = paths.filter(({ access }) => access === "read").map(({ path }) => path);
  for (const path of ["/run/secrets/token", "/my/ca.pem", "/a", "/b"]) assert.ok(read.includes(path), path);
  assert.ok(!read.includes(""));
});

Deno.test("keeps sockets only if nsswitch.conf has a service that needs one", () => {
  const asks = (hosts: string, ...names: string[]) =>
    asksOverSockets(`passwd: files ldap\nhosts: ${hosts} # x\n`, names);
  assert.equal(asksOverSockets(undefined, ["a.example"]), false);
  assert.equal(asks("files dns", "a.example"), false);
  assert.equal(asks("files mdns4_minimal [NOTFOUND=return] dns", "a.example"), false);
  assert.equal(asks("files mdns4_minimal [NOTFOUND=return] dns", "a.example", "pi.local"), true);
  assert.equal(asks("mymachines resolve [!UNAVAIL=return] files myhostname dns", "a.example"), false);
  assert.equal(asks("resolve [!UNAVAIL=return] files", "a.example"), true);
  assert.equal(asks("files ldap", "a.example"), true);
});
