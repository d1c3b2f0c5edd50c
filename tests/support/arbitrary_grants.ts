/** Random grants and bounds of every kind, from few values so that they overlap. */

import type { EnvGrant, Grants } from "../../runtime/grants/grants.ts";
import type { ListenGrant } from "../../runtime/grants/listen_grant.ts";
import type { ClusterGrant } from "../../runtime/kube/allow/rules.ts";
import type { Bounds } from "../../runtime/policy/policy.ts";
import { fc } from "./fuzz.ts";

export const HOME = "/home/jane";
const names = fc.constantFrom("A", "B", "GH_TOKEN", "LANG");
const path = fc.array(fc.constantFrom("home", "jane", "src", "etc", "x"), { maxLength: 4 }).map((parts) =>
  `/${parts.join("/")}`
);
export const env: fc.Arbitrary<EnvGrant> = fc.oneof(
  fc.constant<EnvGrant>("default"),
  fc.constant<EnvGrant>("all"),
  fc.uniqueArray(names),
);
export const rule = fc.record({
  verbs: fc.uniqueArray(fc.constantFrom("*", "get", "list", "create"), { minLength: 1 }),
  apiGroups: fc.uniqueArray(fc.constantFrom("*", "", "apps"), { minLength: 1 }),
  resources: fc.uniqueArray(fc.constantFrom("*", "pods", "pods/log", "*/scale", "deployments"), {
    minLength: 1,
  }),
}, { requiredKeys: ["verbs", "apiGroups", "resources"] });
export const cluster: fc.Arbitrary<ClusterGrant> = fc.oneof(
  fc.constant<ClusterGrant>("none"),
  fc.constant<ClusterGrant>("read-only"),
  fc.constant<ClusterGrant>("full"),
  fc.record({ rules: fc.array(rule, { maxLength: 3 }) }),
);
/** Ports are sorted and unique. */
export const listen: fc.Arbitrary<ListenGrant> = fc.oneof(
  fc.constant<ListenGrant>("all"),
  fc.subarray([0, 80, 8080, 65535]),
);
export const grants: fc.Arbitrary<Grants> = fc.record({
  files: fc.array(path.chain((host) => fc.boolean().map((write) => ({ host, guest: host, write }))), {
    maxLength: 4,
  }),
  home: fc.boolean(),
  env,
  kubeconfig: fc.boolean(),
  cluster,
  listen,
  terminal: fc.boolean(),
  completion: fc.boolean(),
  limits: fc.record({ maxMemory: fc.integer({ min: 65536, max: 2 ** 33 }), descriptors: fc.constant(100) }),
  deny: fc.record({
    read: fc.array(path, { maxLength: 2 }),
    write: fc.array(path, { maxLength: 2 }),
    home: fc.boolean(),
    env: fc.oneof(fc.constant<"all">("all"), fc.uniqueArray(names, { maxLength: 2 })),
    kubeconfig: fc.boolean(),
    cluster: fc.oneof(fc.boolean(), fc.array(rule, { minLength: 1, maxLength: 2 })),
    listen: fc.boolean(),
    terminal: fc.boolean(),
    completion: fc.boolean(),
  }),
});
export const bounds: fc.Arbitrary<Bounds> = fc.record({
  read: fc.option(fc.array(path, { maxLength: 3 }), { nil: undefined }),
  write: fc.option(fc.array(path, { maxLength: 3 }), { nil: undefined }),
  home: fc.boolean(),
  homes: fc.constant([]),
  env,
  kubeconfig: fc.boolean(),
  cluster,
  listen,
  maxMemory: fc.integer({ min: 65536, max: 2 ** 33 }),
  terminal: fc.boolean(),
  completion: fc.boolean(),
});
