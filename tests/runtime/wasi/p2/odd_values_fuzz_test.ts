/**
 * Calls every function that a component can import with odd values of its parameter types. Each must return, fail
 * with its own error type, or end the component. None may fail with an error of the host's JavaScript.
 */

import assert from "node:assert/strict";
import { fc, fuzz } from "../../../support/fuzz.ts";
import { SERVED } from "../../../../registry/compile/served_interfaces.ts";
import { interfacesFor } from "../../../../runtime/run/component.ts";
import { Failures } from "../../../../runtime/run/request_failures.ts";
import { openFileTree } from "../../../../runtime/wasi/files/open_tree.ts";
import { sealed } from "../../../../runtime/wasi/p2/resources.ts";
import { TYPES } from "../../../../wit/generated/served.ts";
import { testSandbox } from "../../../support/components.ts";

type Values = Iterator<number, unknown>;
type SealedInterfaces = Record<string, Record<string, (...args: unknown[]) => unknown>>;
/** The resources that were made, by type. */
type Made = Map<string, object[]>;

const camel = (name: string) => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

/** A value of a type in jco's form; undefined if it needs a resource and none was made. */
function valueOf(type: number, numbers: Values, made: Made): { readonly value: unknown } | undefined {
  const [of, types, labels = []] = TYPES[type]!;
  const pick = (below: number) => numbers.next().value! as number % below;
  const one = <T>(...list: T[]) => ({ value: list[pick(list.length)] });
  const whole = (bits: number, signed = false) => {
    const most = 2 ** (signed ? bits - 1 : bits) - 1;
    return one(0, 1, most, signed ? -most - 1 : most - 1, pick(300));
  };
  const inner = (index: number) => valueOf(types[index]!, numbers, made);
  switch (of) {
    case "u8":
    case "u16":
    case "u32":
      return whole(Number(of.slice(1)));
    case "s32":
      return whole(32, true);
    case "u64":
      return one(0n, 1n, 4096n, 1n << 20n, 1n << 32n, 1n << 63n, (1n << 64n) - 1n, BigInt(pick(100_000)));
    case "bool":
      return one(true, false);
    case "string":
      return one(
        "",
        ".",
        "a",
        "../x",
        "/",
        "a\0b",
        "\ud800",
        "GET",
        "x".repeat(70_000),
        "content-length",
        "::1",
        "🦀/..",
      );
    case "none":
      return { value: undefined };
    case "list": {
      if (TYPES[types[0]!]![0] === "u8") return { value: new Uint8Array([0, 1, 5000, 70_000][pick(4)]!) };
      const list = Array.from({ length: pick(4) }, () => inner(0));
      return list.includes(undefined) ? undefined : { value: list.map((each) => each!.value) };
    }
    case "tuple": {
      const list = types.map((_, index) => inner(index));
      return list.includes(undefined) ? undefined : { value: list.map((each) => each!.value) };
    }
    case "record": {
      const list = labels.map((label, index) => [camel(label), inner(index)] as const);
      if (list.some(([, value]) => !value)) return undefined;
      return { value: Object.fromEntries(list.map(([label, value]) => [label, value!.value])) };
    }
    case "flags":
      return { value: Object.fromEntries(labels.map((label) => [camel(label), pick(2) === 0])) };
    case "enum":
      return { value: labels[pick(labels.length)] };
    case "variant": {
      const at = pick(labels.length);
      const value = inner(at);
      return value &&
        { value: value.value === undefined ? { tag: labels[at] } : { tag: labels[at], val: value.value } };
    }
    case "option":
      return pick(3) === 0 ? { value: undefined } : inner(0);
    case "result": {
      const ok = pick(2) === 0;
      const value = inner(ok ? 0 : 1);
      return value && { value: { tag: ok ? "ok" : "err", val: value.value } };
    }
    case "own":
    case "borrow": {
      const resources = made.get(nameOf(types[0]!)) ?? [];
      if (resources.length === 0) return undefined;
      const at = pick(resources.length);
      return { value: of === "own" ? resources.splice(at, 1)[0] : resources[at] };
    }
  }
  throw new Error(`no values of ${of}`);
}

function nameOf(type: number): string {
  return TYPES[type]![0];
}

/** Keeps the resources of a result. */
function keep(type: number, value: unknown, made: Made): void {
  const [of, types, labels = []] = TYPES[type]!;
  if (value === undefined || value === null) return;
  if (of === "own") {
    const name = nameOf(types[0]!);
    made.set(name, [...made.get(name) ?? [], value as object].slice(-20));
  } else if (of === "list" && Array.isArray(value)) { for (const each of value) keep(types[0]!, each, made); }
  else if (of === "tuple") types.forEach((each, index) => keep(each, (value as unknown[])[index], made));
  else if (of === "option") keep(types[0]!, value, made);
  else if (of === "result") {
    const { tag, val } = value as { tag?: string; val?: unknown };
    if (tag === "ok" || tag === "err") keep(types[tag === "ok" ? 0 : 1]!, val, made);
    else keep(types[0]!, value, made); // jco's functions return the ok value, and throw the error
  } else if (of === "variant") {
    const { tag, val } = value as { tag: string; val?: unknown };
    const at = labels.indexOf(tag);
    if (at >= 0) keep(types[at]!, val, made);
  }
}

const FUNCTIONS = [...SERVED].flatMap(([name, { functions }]) =>
  // Functions that wait for a person, or forever.
  Object.entries(functions).filter(([member]) =>
    !/pollable\.block|^poll$|^exit|set-mode|blocking-/.test(member)
  )
    .map(([member, type]) => ({ name, member, type }))
);

Deno.test("no imported function fails with a JavaScript error", {
  sanitizeOps: false,
  sanitizeResources: false,
}, async () => {
  const directory = await Deno.makeTempDir();
  const mounts = [{ guest: "/", host: Deno.realPathSync(directory), write: true }];
  let called = 0;
  try {
    await fuzz(
      "odd values",
      fc.asyncProperty(
        fc.array(fc.constantFrom(...FUNCTIONS), { minLength: 30, maxLength: 200 }),
        fc.infiniteStream(fc.nat()),
        async (calls, numbers) => {
          const sandbox = testSandbox({ files: { mounts } });
          using tree = await openFileTree(sandbox.files);
          const sealedInterfaces = sealed(
            await interfacesFor([...SERVED.keys()], sandbox, tree, new Failures(sandbox), () => {}),
          ) as SealedInterfaces;
          const made: Made = new Map();
          for (const { name, member, type } of calls) {
            const [, types] = TYPES[type]!;
            const [parameters, result] = [TYPES[types[0]!]![1], types[1]!];
            const args = parameters.map((parameter) => valueOf(parameter, numbers, made));
            if (args.includes(undefined)) continue;
            const values = args.map((arg) => arg!.value);
            const [, kind, resource, method] = /^(?:\[(\w+)\]([\w-]+)\.?)?([\w-]*)$/.exec(member)!;
            const of = camel(`-${resource}`);
            const shown = `${name}#${member}(${
              values.map((value) => Deno.inspect(value, { strAbbreviateSize: 40 })).join(", ")
            })`;
            called++;
            try {
              const sealedInterface = sealedInterfaces[name]!;
              const answer = await (kind === "constructor"
                ? Reflect.construct(sealedInterface[of]!, values)
                : kind === "static"
                ? (sealedInterface[of] as unknown as SealedInterfaces[string])[camel(method!)]!(...values)
                : kind === "method"
                ? (values[0] as SealedInterfaces[string])[camel(method!)]!(...values.slice(1))
                : sealedInterface[camel(member)]!(...values));
              keep(result, answer, made);
            } catch (error) {
              if (!(error instanceof Error)) {
                keep(TYPES[result]![0] === "result" ? TYPES[result]![1][1]! : result, error, made);
              } else assert.ok(error instanceof WebAssembly.RuntimeError, `${shown}: ${error.stack}`);
            }
          }
          for (const resource of [...made.values()].flat()) {
            (resource as Partial<Disposable>)[Symbol.dispose]?.();
          }
        },
      ),
    );
    assert.ok(called > 0); // how many depends on the time
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
