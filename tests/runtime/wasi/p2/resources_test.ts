import assert from "node:assert/strict";
import { SERVED } from "../../../../registry/compile/served_interfaces.ts";
import { interfacesFor } from "../../../../runtime/run/component.ts";
import { Failures } from "../../../../runtime/run/request_failures.ts";
import { openFileTree } from "../../../../runtime/wasi/files/open_tree.ts";
import { type Interfaces, sealed } from "../../../../runtime/wasi/p2/resources.ts";
import { testSandbox } from "../../../support/components.ts";

const camel = (name: string) => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
const pascal = (name: string) => camel(`-${name}`);

/** All interfaces, with real files. */
async function allInterfaces(): Promise<Interfaces> {
  const sandbox = testSandbox();
  const tree = await openFileTree(sandbox.files);
  return await interfacesFor([...SERVED.keys()], sandbox, tree, new Failures(sandbox), () => {});
}

type Sealed = Readonly<Record<string, Readonly<Record<string, { readonly prototype: object }>>>>;

Deno.test("a component gets exactly WIT's names of an interface", async () => {
  const interfaces = sealed(await allInterfaces()) as Sealed;
  assert.deepEqual(Object.keys(interfaces).sort(), [...SERVED.keys()].sort());
  for (const [name, { functions, types }] of SERVED) {
    const served = interfaces[name]!;
    const expected = new Set<string>();
    const resources = new Map<string, { methods: string[]; statics: string[]; made: boolean }>();
    // A resource without methods is recognised by its use.
    for (const member of Object.keys(functions)) {
      const [, kind, resource, method] = /^\[(\w+)\]([\w-]+)(?:\.([\w-]+))?$/.exec(member) ?? [];
      if (kind === undefined) {
        expected.add(camel(member));
        continue;
      }
      const of = resources.get(resource!) ?? { methods: [], statics: [], made: false };
      resources.set(resource!, of);
      if (kind === "method") of.methods.push(camel(method!));
      else if (kind === "static") of.statics.push(camel(method!));
      else of.made = true;
    }
    for (const resource of resources.keys()) expected.add(pascal(resource));
    const rest = Object.keys(served).filter((key) => !expected.has(key));
    // Resources without functions: a network, a terminal.
    for (const key of rest) {
      assert.ok(Object.keys(types).some((type) => pascal(type) === key), `${name}.${key}`);
    }
    for (const key of expected) assert.ok(Object.hasOwn(served, key), `${name}.${key} is missing`);
    assert.equal(Object.getPrototypeOf(served), null);
    for (const [key, value] of Object.entries(served)) {
      assert.equal(Object.getPrototypeOf(value), null, `${name}.${key}`);
      if (expected.has(key) && !/^[A-Z]/.test(key)) {
        assert.deepEqual(Reflect.ownKeys(value), [], `${name}.${key}`);
        continue;
      }
      const [, of] = [...resources].find(([resource]) => pascal(resource) === key) ??
        [, { methods: [], statics: [], made: false }];
      assert.deepEqual(Reflect.ownKeys(value).sort(), ["prototype", ...of.statics].sort(), `${name}.${key}`);
      const names = new Set<string>();
      for (let at: object | null = value.prototype; at; at = Object.getPrototypeOf(at)) {
        for (const each of Object.getOwnPropertyNames(at)) names.add(each);
      }
      const never = /^(?:IncomingRequest|ResponseOutparam|IncomingDatagramStream|OutgoingDatagramStream)$/;
      if (!never.test(key)) assert.deepEqual([...names].sort(), of.methods.sort(), `${name}.${key}`);
      else assert.equal(names.size, 0);
      const make = value as unknown as new () => object;
      if (!of.made) assert.throws(() => new make(), { message: /has no constructor/ }, `${name}.${key}`);
    }
  }
});
