import assert from "node:assert/strict";
import { LEAST, NO_DENIALS } from "../../../runtime/grants/grants.ts";
import {
  canBeRestricted,
  finalStanding,
  keptPermissions,
  kernelFacts,
  needsBroker,
  needsOf,
  type RunNeeds,
  type RunPaths,
} from "../../../runtime/sandbox/run_rights.ts";
import { TIME_ZONES } from "../../../runtime/wasi/files/time_zone.ts";
import type { Mount } from "../../../runtime/sandbox/types.ts";

const NOTHING: RunNeeds = {
  asks: false,
  hasQuestions: false,
  network: false,
  listen: undefined,
  files: false,
  named: false,
  symlinks: false,
  makesFiles: false,
  switches: false,
};
const DIRECTORY: Mount = { guest: "/srv/in", host: "/srv/in", write: false };
const WRITABLE: Mount = { guest: "/srv/out", host: "/srv/out", write: true };
const SINGLE: Mount = { guest: "/srv/one", host: "/srv/one", write: true, only: ["a"] };
const layout = {
  root: "/kw",
  log: "/kw/log",
  lock: "/kw/lock",
  stage: "/kw/stage",
  receipts: "/kw/receipts",
  history: "/kw/history",
};
const PATHS: RunPaths = {
  program: "/bin/krew-wasm",
  own: { path: "/kw/data/foo", ofThisRun: false },
  layout,
  code: ["/kw/compiled/foo"],
  renewed: ["/srv/token"],
  mounts: [DIRECTORY, WRITABLE, SINGLE],
  overlaid: ["/nowhere/config"],
  denied: ["/srv/in/hidden"],
  kubeconfigs: ["/home/jane/.kube/config"],
};

function needs(change: Partial<Parameters<typeof needsOf>[0]>): RunNeeds {
  const uses = { files: false, throughDeno: false, network: false, listens: false, symlinks: false };
  return needsOf({
    grants: LEAST,
    listenBound: "all",
    uses,
    asks: false,
    tree: false,
    mounts: [],
    ...change,
  });
}

Deno.test("a plugin that only prints needs nothing", () => {
  assert.deepEqual(needs({ mounts: [SINGLE] }), NOTHING);
});

Deno.test("the network needs a cluster grant, or a person who may give one", () => {
  const uses = { files: false, throughDeno: false, network: true, listens: false, symlinks: false };
  const none = { ...LEAST, cluster: "none" } as const;
  const denied = { ...none, deny: { ...NO_DENIALS, cluster: true } };
  assert.equal(needs({ uses }).network, true);
  assert.equal(needs({ uses, grants: none }).network, false);
  assert.equal(needs({ uses, grants: none, asks: true }).network, true);
  assert.equal(needs({ uses, grants: denied, asks: true }).network, false);
});

Deno.test("the ports to listen at are the granted ones, and those that a person may grant", () => {
  const uses = { files: false, throughDeno: false, network: true, listens: true, symlinks: false };
  const granted = { ...LEAST, listen: [80] };
  assert.equal(needs({ uses }).listen, undefined);
  assert.deepEqual(needs({ uses, grants: granted }).listen, [80]);
  assert.equal(needs({ uses, asks: true }).listen, "all");
  assert.deepEqual(needs({ uses, grants: granted, asks: true, listenBound: [90] }).listen, [80, 90]);
  assert.equal(needs({ uses, asks: true, listenBound: [] }).listen, undefined);
  const denied = { ...LEAST, deny: { ...NO_DENIALS, listen: true } };
  assert.equal(needs({ uses, asks: true, grants: denied }).listen, undefined);
  assert.equal(needs({ uses: { ...uses, listens: false }, grants: granted }).listen, undefined);
});

Deno.test("questions need a person, and a plugin that may want something", () => {
  const uses = { files: false, throughDeno: false, network: true, listens: false, symlinks: false };
  assert.equal(needs({ asks: true }).hasQuestions, false);
  assert.equal(needs({ asks: true, tree: true }).hasQuestions, true);
  assert.equal(needs({ asks: true, uses }).hasQuestions, true);
  assert.equal(needs({ uses, tree: true }).hasQuestions, false);
});

Deno.test("single files to write are created by the broker, unless files are opened by name", () => {
  const byName = { files: true, throughDeno: true, network: false, listens: false, symlinks: true };
  assert.equal(needs({ tree: true, mounts: [SINGLE] }).makesFiles, true);
  assert.equal(needs({ tree: true, mounts: [WRITABLE] }).makesFiles, false);
  assert.deepEqual(needs({ tree: true, uses: byName, mounts: [SINGLE] }), {
    ...NOTHING,
    files: true,
    named: true,
    symlinks: true,
  });
  const open = { ...byName, throughDeno: false };
  assert.equal(needs({ uses: open }).symlinks, false, "open directories need no permission for links");
});

Deno.test("needs a broker for each thing that the kernel refuses later", () => {
  assert.equal(needsBroker(NOTHING, false, 0), false);
  assert.equal(needsBroker(NOTHING, false, 3), false, "renewed files matter to the network only");
  assert.equal(needsBroker({ ...NOTHING, network: true }, false, 0), false);
  assert.equal(needsBroker({ ...NOTHING, network: true }, false, 1), true);
  assert.equal(needsBroker({ ...NOTHING, hasQuestions: true }, false, 0), true);
  assert.equal(needsBroker({ ...NOTHING, makesFiles: true }, false, 0), true);
  assert.equal(needsBroker(NOTHING, true, 0), true);
});

Deno.test("the kernel restricts no run that lacks the broker it needs", () => {
  const alone = { kernel: true, broker: false };
  assert.equal(canBeRestricted(NOTHING, false, alone), true);
  assert.equal(canBeRestricted(NOTHING, true, alone), false);
  assert.equal(canBeRestricted({ ...NOTHING, makesFiles: true }, false, alone), false);
  assert.equal(canBeRestricted({ ...NOTHING, makesFiles: true }, true, { kernel: true, broker: true }), true);
  assert.equal(canBeRestricted(NOTHING, false, { kernel: false, broker: false }), false);
});

Deno.test("the kernel allows the binary, the plugin's code and its own directory", () => {
  assert.deepEqual(kernelFacts(NOTHING, PATHS), {
    read: ["/bin/krew-wasm", "/kw/compiled/foo"],
    write: ["/kw/data/foo"],
    log: "/kw/log",
    remove: [],
    mounts: [],
    listed: [],
    overlaid: ["/nowhere/config"],
    listen: undefined,
  });
});

Deno.test("the kernel allows granted directories to plugins that use files", () => {
  const { mounts, listed, write } = kernelFacts({ ...NOTHING, files: true }, PATHS);
  assert.deepEqual([mounts, listed], [PATHS.mounts, ["/srv/in/hidden"]]);
  assert.deepEqual(write, ["/kw/data/foo"], "the broker creates single files");
  const named = kernelFacts({ ...NOTHING, files: true, named: true }, PATHS);
  assert.deepEqual(named.write, ["/kw/data/foo", "/srv/one"]);
});

Deno.test("a private directory of one run can be removed at the end", () => {
  const own = { path: "/tmp/krew-wasm-1", ofThisRun: true };
  assert.deepEqual(kernelFacts(NOTHING, { ...PATHS, own }).remove, ["/tmp"]);
  const { read, write } = keptPermissions(NOTHING, { ...PATHS, own }, {
    saves: false,
    mayRun: false,
    broker: false,
  });
  assert.ok(read.includes(own.path) && write.includes(own.path));
});

Deno.test("questions about files by name keep all files, and say so", () => {
  const asking = { ...NOTHING, files: true, named: true, asks: true, hasQuestions: true };
  assert.ok(kernelFacts(asking, PATHS).write.includes("/"));
  const { read, write } = keptPermissions(asking, PATHS, { saves: true, mayRun: false, broker: false });
  assert.ok(read.includes("/") && write.includes("/"));
  assert.deepEqual(
    [finalStanding(asking, "full"), finalStanding(asking, "none"), finalStanding(NOTHING, "full")],
    ["partial", "none", "full"],
  );
});

Deno.test("Deno keeps the log, the code and renewed files only", () => {
  assert.deepEqual(keptPermissions(NOTHING, PATHS, { saves: false, mayRun: false, broker: false }), {
    network: false,
    run: false,
    symlinks: false,
    sys: false,
    read: ["/kw/log", "/kw/compiled/foo", "/srv/token"],
    write: ["/kw/log"],
  });
});

Deno.test("Deno keeps what files by name need", () => {
  const named = { ...NOTHING, files: true, named: true, symlinks: true };
  assert.deepEqual(keptPermissions(named, PATHS, { saves: false, mayRun: false, broker: false }), {
    network: false,
    run: false,
    symlinks: true,
    sys: false,
    read: [
      ...["/kw/data/foo", "/kw/log", ...TIME_ZONES, "/srv/in", "/srv/out", "/srv/one"],
      ...["/nowhere/config", "/kw/compiled/foo", "/srv/token"],
    ],
    write: ["/kw/data/foo", "/kw/log", "/srv/out", "/srv/one"],
  });
});

Deno.test("changing contexts needs the broker, or rights for the kubeconfig's directory", () => {
  const switches = { ...NOTHING, files: true, switches: true };
  assert.ok(needsBroker(switches, false, 0));
  assert.ok(!canBeRestricted(switches, false, { kernel: true, broker: false }));
  const rights = { saves: false, mayRun: false };
  for (const which of ["read", "write"] as const) {
    const directory = "/home/jane/.kube";
    assert.ok(keptPermissions(switches, PATHS, { ...rights, broker: false })[which].includes(directory));
    assert.ok(!keptPermissions(switches, PATHS, { ...rights, broker: true })[which].includes(directory));
  }
});

Deno.test("a run without a broker keeps what saving a grant needs, but no plugin's code", () => {
  const kept = keptPermissions({ ...NOTHING, network: true, asks: true }, PATHS, {
    saves: true,
    mayRun: true,
    broker: false,
  });
  assert.deepEqual([kept.network, kept.run, kept.sys], [true, true, true]);
  assert.ok(kept.read.includes("/kw"));
  assert.deepEqual(kept.write, ["/kw/log", "/kw/lock", "/kw/stage", "/kw/receipts", "/kw/history"]);
});
