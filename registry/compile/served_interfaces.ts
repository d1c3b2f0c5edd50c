/**
 * Checks that a component declares its imports as wit/ does. jco calls whatever JavaScript has under a name, with
 * whatever the component passes. So every function's kind and whole type is compared with the table generated from
 * wit/; resources are compared by the interface that owns them. Pure.
 */

import { AppError } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import { INTERFACES, TYPES } from "../../wit/generated/served.ts";
import { type Item, type Type, TypeNumbers } from "./component_items.ts";

const FUNCTION = 0x01;
const TYPE = 0x03;
const INSTANCE = 0x05;

/** An interface that krew-wasm provides. */
export interface Served {
  /** `wasi:io/streams` */
  readonly name: string;
  /** `0.2.12` */
  readonly version: string;
  readonly types: Readonly<Record<string, number>>;
  readonly functions: Readonly<Record<string, number>>;
}

/** The interfaces that krew-wasm provides, by name without version. */
export const SERVED: ReadonlyMap<string, Served> = new Map(
  Object.entries(INTERFACES).map(([full, { types, functions }]) => {
    const [name = "", version = ""] = full.split("@");
    return [name, { name, version, types, functions }];
  }),
);

/**
 * The interface that provides an import; undefined if none does. Patch versions of 0.2, and of 0.1, only add functions.
 */
export function servedBy(name: string): Served | undefined {
  const [, bare = "", minor] = /^(.*)@(0\.\d+)\.\d+$/.exec(name) ?? [];
  const served = SERVED.get(bare);
  return served?.version.startsWith(`${minor}.`) ? served : undefined;
}

/** jco's JavaScript names for the parts of an interface. */
export interface ScriptNames {
  /** Functions and resource classes. */
  readonly members: ReadonlySet<string>;
  /** Methods and static functions of resources. */
  readonly methods: ReadonlySet<string>;
}

/** The JavaScript names of a provided interface; undefined for other interfaces. */
export function scriptNames(name: string): ScriptNames | undefined {
  const served = SERVED.get(name);
  if (!served) return undefined;
  const members = new Set<string>();
  const methods = new Set<string>();
  for (const full of Object.keys(served.functions)) {
    const [, method] = /^\[\w+\][^.]+(?:\.(.*))?$/.exec(full) ?? [];
    if (method !== undefined) methods.add(camelCase(method));
    if (!full.startsWith("[")) members.add(camelCase(full));
  }
  for (const type of Object.keys(served.types)) members.add(camelCase(`-${type}`));
  return { members, methods };
}

function camelCase(name: string): string {
  return name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** The table's types with their numbers; a component's types are added to them. */
export class ServedTypes {
  readonly numbers = new TypeNumbers();
  #types: Type[] = [];

  constructor() {
    for (const [of, parts, labels] of TYPES) {
      this.#types.push(this.numbers.of(of, parts.map((part) => this.#types[part]!), labels));
    }
  }

  /**
   * Refuses a component that imports an unknown function, or declares one with another type.
   *
   * @param imports read with {@linkcode numbers}
   * @throws AppError PLUGIN_UNSUPPORTED naming the function
   */
  check(imports: readonly (readonly [name: string, item: Item])[]): void {
    for (const [name, { sort, items }] of imports) {
      const served = servedBy(name);
      if (!served) throw notServed(name);
      if (sort !== INSTANCE || !items) {
        throw unsupported(`It imports "${printable(name, 200)}", an interface, as something else`);
      }
      for (const [member, item] of items.map) this.#checkMember(name, served, member, item);
    }
  }

  #checkMember(name: string, served: Served, member: string, { sort, type }: Item): void {
    const [place, what] = sort === FUNCTION
      ? [own(served.functions, member), "function"]
      : sort === TYPE
      ? [own(served.types, member), "type"]
      : [undefined, "thing"];
    const shown = `the ${what} "${printable(member, 100)}" of "${printable(name, 200)}"`;
    if (place === undefined) {
      throw new AppError("PLUGIN_UNSUPPORTED", `It imports ${shown}, which this krew-wasm does not have`, {
        hint: `it serves ${served.name} ${served.version}; a later one may have it`,
      });
    }
    if (this.#types[place]!.number !== type.number) {
      throw unsupported(`It declares ${shown} with other types than that has`);
    }
  }
}

function own(of: Readonly<Record<string, number>>, name: string): number | undefined {
  return Object.hasOwn(of, name) ? of[name] : undefined;
}

function notServed(name: string): AppError {
  const [, ours] = /^(krew-wasm:(?:kubernetes|terminal))\//.exec(name) ?? [];
  return new AppError(
    "PLUGIN_UNSUPPORTED",
    `It imports "${printable(name, 200)}", which krew-wasm does not have`,
    {
      hint: ours !== undefined
        ? `of ${ours} this krew-wasm has what its wit/ says: build against that, or take a newer krew-wasm`
        : "a plugin may import wasi:cli, clocks, filesystem, io, random, sockets, http, krew-wasm:kubernetes and krew-wasm:terminal",
    },
  );
}

function unsupported(what: string): AppError {
  return new AppError("PLUGIN_UNSUPPORTED", what, {
    hint: "a plugin is built against WASI 0.2 and krew-wasm's wit/, as they are",
  });
}
