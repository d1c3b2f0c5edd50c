import assert from "node:assert/strict";
import { parseWish, startingGrants, wishedGrants } from "../../../registry/install/plugin_wish.ts";
import { LEAST } from "../../../runtime/grants/grants.ts";

const HOME = "/home/jane";
const wish = (value: unknown) => parseWish(JSON.stringify(value), HOME);

Deno.test("parseWish() reads each field of the schema", () => {
  const { why, change } = wish({
    version: 1,
    why: "Compares manifests with the cluster",
    read: ["~/manifests", "/etc/ssl/certs/"],
    write: ["~/.cache/foo"],
    home: false,
    env: ["HOME", "GITHUB_TOKEN"],
    kubeconfig: true,
    cluster: { rules: [{ verbs: ["get"], apiGroups: [""], resources: ["pods"] }] },
    listen: [9090, 8080],
    maxMemory: "512Mi",
  });
  assert.equal(why, "Compares manifests with the cluster");
  assert.deepEqual(change.files.map(({ host, write }) => [host, write]), [
    ["/home/jane/manifests", false],
    ["/etc/ssl/certs", false],
    ["/home/jane/.cache/foo", true],
  ]);
  assert.deepEqual([change.home, change.env, change.kubeconfig], [undefined, ["HOME", "GITHUB_TOKEN"], true]);
  assert.equal(change.limits.maxMemory, 512 * 2 ** 20);
  assert.deepEqual(change.listen, [8080, 9090]);
});

Deno.test("parseWish() refuses an invalid wish and names the field", () => {
  for (
    const [value, words] of [
      [[], /not an object/],
      [null, /not an object/],
      [{ version: 2 }, /version is 2/],
      [{ read: "x" }, /read is not a list/],
      [{ read: ["manifests"] }, /read\[0\]/],
      [{ read: ["~jane/x"] }, /read\[0\]/],
      [{ write: ["~/../jim"] }, /write\[0\]/],
      [{ write: ["/a//b"] }, /write\[0\]/],
      [{ write: ["/a::/b"] }, /write\[0\]/],
      [{ read: Array(101).fill("/a") }, /read has 101 items, more than 100/],
      [{ home: "yes" }, /home is neither/],
      [{ env: "most" }, /env is not a list/],
      [{ env: ["A=B"] }, /env\[0\] is not the name of a variable/],
      [{ cluster: "some" }, /cluster: rules/],
      [{ cluster: { rules: [{}] } }, /cluster: rules\[0\]\.verbs/],
      [{ maxMemory: "lots" }, /maxMemory/],
      [{ listen: "all" }, /listen is not a list of ports/],
      [{ listen: ["*"] }, /listen\[0\] is not a port/],
      [{ why: "x".repeat(501) }, /why/],
      [{ net: true }, /net is not known/],
    ] as const
  ) assert.throws(() => wish(value), words, JSON.stringify(value));
  assert.throws(() => parseWish("{", HOME), /not JSON/);
  assert.throws(() => parseWish(`"${"x".repeat(70_000)}"`, HOME), /longer than/);
});

Deno.test("startingGrants() applies a wish for less cluster access or less memory", () => {
  assert.deepEqual(startingGrants(undefined), LEAST);
  const start = startingGrants(
    wish({ cluster: "read-only", maxMemory: "1Gi", home: true, read: ["/a"], env: "all", kubeconfig: true }),
  );
  assert.deepEqual(start, {
    ...LEAST,
    cluster: "read-only",
    limits: { ...LEAST.limits, maxMemory: 2 ** 30 },
  });
  assert.equal(startingGrants(wish({ maxMemory: "8Gi" })).limits.maxMemory, LEAST.limits.maxMemory);
});

Deno.test("wishedGrants() adds the wish and removes nothing", () => {
  const base = { ...LEAST, cluster: "read-only", env: ["A"], home: true } as const;
  assert.deepEqual(wishedGrants(base, wish({})), base);
  const pods = { verbs: ["delete"], apiGroups: [""], resources: ["pods"] };
  const more = wishedGrants(base, wish({ cluster: { rules: [pods] }, env: ["B"], maxMemory: "64Mi" }));
  assert.deepEqual(more.cluster, { rules: [pods], readOnly: true });
  assert.deepEqual(more.env, ["A", "B"]);
  assert.equal(more.limits.maxMemory, LEAST.limits.maxMemory);
  assert.equal(
    wishedGrants({ ...LEAST, cluster: "none" }, wish({ cluster: "read-only" })).cluster,
    "read-only",
  );
  assert.equal(wishedGrants(LEAST, wish({ cluster: "none" })).cluster, "full");
});
