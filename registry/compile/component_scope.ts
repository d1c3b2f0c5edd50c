/** The state of component_reader.ts for one component, component type or instance type. Pure. */

import { AppError } from "../../runtime/base/errors.ts";
import {
  type Item,
  type Items,
  NONE,
  sum,
  type Type,
  type TypeNumbers,
  type Unfolded,
} from "./component_items.ts";
import type { Reader } from "./wasm_reader.ts";

/** The most definitions, declarations and arguments in one binary. The largest real components have some thousands. */
const MAX_ITEMS = 1_000_000;

// Sorts, and kinds of external descriptions.
export const CORE = 0x00;
export const FUNCTION_SORT = 0x01;
export const TYPE_SORT = 0x03;
export const COMPONENT_SORT = 0x04;
export const INSTANCE_SORT = 0x05;
// Sorts of core things.
export const CORE_INSTANCE_SORT = 0x12;
export const CORE_MODULE_SORT = 0x11;
export const CORE_TYPE_SORT = 0x10;

/** State shared by all depths of one reading. */
export class Reading {
  readonly numbers: TypeNumbers;
  largestType = 0;
  /** The longest name that core instances export. jco writes it wherever the export is used. */
  longest = 0;
  #items = 0;

  constructor(numbers: TypeNumbers) {
    this.numbers = numbers;
  }

  /** Counts one more item. @throws AppError TOO_LARGE */
  count(): void {
    if (++this.#items > MAX_ITEMS) {
      throw new AppError("TOO_LARGE", `Its components have more than ${MAX_ITEMS} definitions`);
    }
  }
}

/** The definitions read so far of a component, a component type or an instance type. */
export class Scope {
  readonly types: Type[] = [];
  readonly functions: Item[] = [];
  readonly instances: Item[] = [];
  /** Undefined for a component that is passed in. */
  readonly components: (Definition | undefined)[] = [];
  /** Undefined for a module that is passed in. */
  readonly modules: (ModuleReport | undefined)[] = [];
  readonly imports: [string, Item][] = [];
  readonly exports = new Map<string, Item>();
  unfolded: Unfolded = NONE;

  /** `owner`: the interface that declares the resources here; undefined if they belong to this scope alone. */
  constructor(readonly reading: Reading, readonly parent?: Scope, readonly owner?: string) {}

  add(unfolded: Partial<Unfolded>): void {
    this.unfolded = sum(this.unfolded, unfolded);
  }

  type(index: number): Type {
    return this.types[index] ?? unknown(`it names the type ${index}, which it does not have`);
  }
}

/** The result of instantiating a component. */
export interface Definition {
  readonly exports: Items;
  readonly unfolded: Unfolded;
}

/** A core module: the number of its imports, the bytes of their names, and its own memories. */
export interface ModuleReport {
  readonly imports: number;
  readonly nameBytes: number;
  readonly memories: number;
}

/** Gives an item the next index of its sort. */
export function define(scope: Scope, item: Item, definition?: Definition): void {
  if (item.sort === TYPE_SORT) scope.types.push(item.type);
  else if (item.sort === FUNCTION_SORT) scope.functions.push(item);
  else if (item.sort === INSTANCE_SORT) scope.instances.push(item);
  else if (item.sort === COMPONENT_SORT) scope.components.push(definition);
  else if (item.sort === CORE) scope.modules.push(undefined);
}

/** Reads a vector: a count, then that many items. */
export function each(reader: Reader, { reading }: Scope, item: () => void): void {
  for (let count = reader.number(); count > 0; count--) {
    reading.count();
    item();
  }
}

export function unknown(what: string): never {
  throw new AppError("WASM_INVALID", `The component can't be read: ${what}`);
}
