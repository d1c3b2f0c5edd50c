/**
 * Reads what a component defines (component model, Binary.md): its types by their structure, what it imports and exports,
 * and how much it would be if every instantiation in it were written out, as jco does. Nothing that is not understood is
 * passed over: a reader that takes bytes in another way than the compiler would check another component than the one that
 * runs. Pure.
 */

import { AppError } from "../runtime/errors.ts";
import { printable } from "../runtime/text.ts";
import {
  type Item,
  type Items,
  itemsOf,
  NONE,
  sum,
  type Type,
  TypeNumbers,
  type Unfolded,
} from "./component_items.ts";
import { Reader, readExternName, readModuleNames, readSections, wasmKind } from "./wasm.ts";

/** A component, read. */
export interface ComponentReport {
  readonly imports: readonly (readonly [name: string, item: Item])[];
  readonly exports: Items;
  /** What all of it is, written out. */
  readonly unfolded: Unfolded;
  /** The parts of its largest type, used or not. */
  readonly largestType: number;
}

/** Components of a composition are nested two or three deep. */
const MAX_DEPTH = 100;
/** How many definitions, declarations and arguments one binary may have. The largest real components have some thousands. */
const MAX_ITEMS = 1_000_000;

// Sections of a component. Without 9 and 12, start functions and values, which nothing makes.
const CUSTOM = 0;
const CORE_MODULE = 1;
const CORE_INSTANCE = 2;
const CORE_TYPE = 3;
const COMPONENT = 4;
const INSTANCE = 5;
const ALIAS = 6;
const TYPE = 7;
const CANON = 8;
const IMPORT = 10;
const EXPORT = 11;
// Sorts, and kinds of external descriptions.
const CORE = 0x00;
const FUNCTION_SORT = 0x01;
const TYPE_SORT = 0x03;
const COMPONENT_SORT = 0x04;
const INSTANCE_SORT = 0x05;
// Sorts of core things.
const CORE_INSTANCE_SORT = 0x12;
const CORE_MODULE_SORT = 0x11;
const CORE_TYPE_SORT = 0x10;

/** Primitive types, by their byte; 0x64 is an error context, of WASI 0.3. */
const PRIMITIVES: ReadonlyMap<number, string> = new Map([
  ...[[0x7f, "bool"], [0x7e, "s8"], [0x7d, "u8"], [0x7c, "s16"], [0x7b, "u16"], [0x7a, "s32"]] as const,
  ...[[0x79, "u32"], [0x78, "s64"], [0x77, "u64"], [0x76, "f32"], [0x75, "f64"], [0x74, "char"]] as const,
  ...[[0x73, "string"], [0x64, "error-context"]] as const,
]);

/** What one reading shares at every depth. */
class Reading {
  readonly numbers: TypeNumbers;
  largestType = 0;
  /** The longest name of what core instances give, which is written wherever that is used. */
  longest = 0;
  #items = 0;

  constructor(numbers: TypeNumbers) {
    this.numbers = numbers;
  }

  /** Counts what is read. @throws AppError TOO_LARGE */
  count(): void {
    if (++this.#items > MAX_ITEMS) {
      throw new AppError("TOO_LARGE", `Its components have more than ${MAX_ITEMS} definitions`);
    }
  }
}

/** A component, or a type of one or of an instance, while its definitions are read. */
class Scope {
  readonly types: Type[] = [];
  readonly functions: Item[] = [];
  readonly instances: Item[] = [];
  /** Undefined for one that is handed in. */
  readonly components: (Definition | undefined)[] = [];
  /** Bytes of the names that each module imports; undefined for one that is handed in. */
  readonly modules: (number | undefined)[] = [];
  readonly imports: [string, Item][] = [];
  readonly exports = new Map<string, Item>();
  unfolded: Unfolded = NONE;

  /** `owner`: the interface whose resources are declared here; undefined where they are nobody else's. */
  constructor(readonly reading: Reading, readonly parent?: Scope, readonly owner?: string) {}

  add(unfolded: Unfolded): void {
    this.unfolded = sum(this.unfolded, unfolded);
  }

  type(index: number): Type {
    return this.types[index] ?? unknown(`it names the type ${index}, which it does not have`);
  }
}

/** What a component is when it is instantiated. */
interface Definition {
  readonly exports: Items;
  readonly unfolded: Unfolded;
}

/**
 * Reads a component. Types of the same structure have the same number, among those that `numbers` knows already too.
 *
 * @throws AppError WASM_INVALID, TOO_LARGE, PLUGIN_UNSUPPORTED
 */
export function readComponent(bytes: Uint8Array, numbers = new TypeNumbers()): ComponentReport {
  const reading = new Reading(numbers);
  const scope = new Scope(reading);
  readDefinitions(bytes, scope, 0);
  const exports = itemsOf(scope.exports);
  return {
    imports: scope.imports,
    exports,
    // What it exports is written out for callers in JavaScript.
    unfolded: sum(scope.unfolded, exports.unfolded),
    largestType: reading.largestType,
  };
}

function readDefinitions(bytes: Uint8Array, scope: Scope, depth: number): void {
  if (depth > MAX_DEPTH) unknown("its components are nested too deep");
  if (wasmKind(bytes) !== "component") unknown("what should be a component is a module");
  for (const { id, content, end } of readSections(bytes)) {
    const reader = new Reader(bytes, content, end);
    const all = (item: () => void) => each(reader, scope, item);
    switch (id) {
      case CUSTOM:
      case CORE_TYPE: // of modules that are handed in, which none of what is instantiated may be
        continue;
      case CORE_MODULE:
        scope.modules.push(namesOf(bytes.subarray(content, end)));
        continue;
      case COMPONENT: {
        const inner = new Scope(scope.reading, scope);
        readDefinitions(bytes.subarray(content, end), inner, depth + 1);
        scope.components.push({ exports: itemsOf(inner.exports), unfolded: inner.unfolded });
        continue;
      }
      case CORE_INSTANCE:
        all(() => readCoreInstance(reader, scope));
        break;
      case INSTANCE:
        all(() => readInstance(reader, scope));
        break;
      case ALIAS:
        all(() => readAlias(reader, scope));
        break;
      case TYPE:
        all(() => scope.types.push(readType(reader, scope, depth)));
        break;
      case CANON:
        all(() => readCanon(reader, scope));
        break;
      case IMPORT:
        all(() => readImport(reader, scope));
        break;
      case EXPORT:
        all(() => readExport(reader, scope));
        break;
      default:
        unknown(`it has a section of the unknown kind ${id}`);
    }
    if (!reader.done) unknown("a section has bytes left over");
  }
}

/** Reads as many things as there are said to be. */
function each(reader: Reader, { reading }: Scope, item: () => void): void {
  for (let count = reader.number(); count > 0; count--) {
    reading.count();
    item();
  }
}

/** How many bytes a core module's imports take where they are written out. */
function namesOf(module: Uint8Array): number {
  if (wasmKind(module) !== "module") unknown("what should be a core module is a component");
  return readModuleNames(module).imports.reduce((bytes, name) => bytes + 60 + name.length, 0);
}

// Core instances

function readCoreInstance(reader: Reader, scope: Scope): void {
  const { reading } = scope;
  const kind = reader.byte();
  if (kind === 0x00) {
    const imports = scope.modules[reader.number()] ??
      unknown("it instantiates a core module that it does not define itself");
    let given = 0;
    each(reader, scope, () => {
      reader.text();
      if (reader.byte() !== CORE_INSTANCE_SORT) {
        unknown("a core module is given something else than an instance");
      }
      reader.number();
      given++;
    });
    // Each thing a module imports is written with its name, and the name of what is given for it.
    scope.add({ bytes: 100 + 60 * given + imports * (1 + reading.longest / 60), parts: 0 });
  } else if (kind === 0x01) {
    each(reader, scope, () => {
      const name = reader.text();
      reading.longest = Math.max(reading.longest, name.length);
      reader.byte(); // of which sort
      reader.number();
    });
  } else unknown(`it makes a core instance in the unknown way ${kind}`);
}

// Types

/** A definition of a type. */
function readType(reader: Reader, scope: Scope, depth: number): Type {
  const type = readTypeDefinition(reader, scope, depth);
  scope.reading.largestType = Math.max(scope.reading.largestType, type.parts);
  return type;
}

function readTypeDefinition(reader: Reader, scope: Scope, depth: number): Type {
  const kind = reader.byte();
  const { numbers } = scope.reading;
  if (kind === 0x3f) { // a resource: what stands for it, and its destructor
    reader.byte();
    if (reader.byte() === 1) reader.number();
    return numbers.fresh();
  }
  if (kind === 0x40 || kind === 0x43) return readFunctionType(reader, scope, kind === 0x43);
  if (kind === 0x41) return readComponentType(reader, scope, depth + 1);
  if (kind === 0x42) return readInstanceType(reader, scope, depth + 1);
  const primitive = PRIMITIVES.get(kind);
  return primitive === undefined ? readValueTypeDefinition(kind, reader, scope) : numbers.of(primitive);
}

function readFunctionType(reader: Reader, scope: Scope, async: boolean): Type {
  const { numbers } = scope.reading;
  const parameters: Type[] = [];
  // How a host calls them is no part of what a function is.
  each(reader, scope, () => {
    readLabel(reader);
    parameters.push(readValueType(reader, scope));
  });
  const kind = reader.byte();
  if (kind > 1 || kind === 1 && reader.byte() !== 0) unknown("a function returns what it should not");
  const result = kind === 0 ? readValueType(reader, scope) : numbers.of("none");
  const list = numbers.of("parameters", parameters);
  return numbers.of(async ? "async func" : "func", [list, result]);
}

function readValueTypeDefinition(kind: number, reader: Reader, scope: Scope): Type {
  const { numbers } = scope.reading;
  const value = () => readValueType(reader, scope);
  const optional = () => {
    const present = reader.byte();
    if (present > 1) unknown("a type is neither there nor left out");
    return present === 0 ? numbers.of("none") : value();
  };
  const list = (name: string, labelled: boolean, item: () => Type) => {
    const labels: string[] = [];
    const types: Type[] = [];
    each(reader, scope, () => {
      if (labelled) labels.push(readLabel(reader));
      types.push(item());
    });
    return numbers.of(name, types, labels);
  };
  switch (kind) {
    case 0x72:
      return list("record", true, value);
    case 0x71:
      return list("variant", true, () => {
        const of = optional();
        if (reader.byte() !== 0) unknown("a variant refines another, which none can any more");
        return of;
      });
    case 0x70:
      return numbers.of("list", [value()]);
    case 0x6f:
      return list("tuple", false, value);
    case 0x6e:
      return list("flags", true, () => numbers.of("none"));
    case 0x6d:
      return list("enum", true, () => numbers.of("none"));
    case 0x6b:
      return numbers.of("option", [value()]);
    case 0x6a:
      return numbers.of("result", [optional(), optional()]);
    case 0x69:
      return numbers.of("own", [scope.type(reader.number())]);
    case 0x68:
      return numbers.of("borrow", [scope.type(reader.number())]);
    case 0x67: { // a list of a fixed length is written out
      const of = value();
      const length = reader.number();
      return numbers.of(`list ${length}`, [of], [], length);
    }
    case 0x66:
      return numbers.of("stream", [optional()]);
    case 0x65:
      return numbers.of("future", [optional()]);
    case 0x63:
      return numbers.of("map", [value(), value()]);
  }
  return unknown(`it defines a type of the unknown kind ${kind}`);
}

/** What a parameter, a field, a case or a flag is called. */
function readLabel(reader: Reader): string {
  const label = reader.text();
  if (!/^[A-Za-z0-9-]+$/.test(label)) unknown(`"${printable(label, 100)}" is no name of the component model`);
  return label;
}

/** A primitive, in one byte that is negative as a signed number, or the index of a type, as a signed number of 33 bits. */
function readValueType(reader: Reader, scope: Scope): Type {
  const first = reader.byte();
  const primitive = PRIMITIVES.get(first);
  if (primitive !== undefined) return scope.reading.numbers.of(primitive);
  let index = first & 0x7f;
  let last = first;
  for (let shift = 7; last >= 0x80; shift += 7) {
    if (shift > 28) unknown("the index of a type is too large");
    last = reader.byte();
    index += (last & 0x7f) * 2 ** shift;
  }
  if ((last & 0x40) !== 0) unknown("the index of a type is negative");
  return scope.type(index);
}

/** The type of a component: declarations in a scope of their own. */
function readComponentType(reader: Reader, parent: Scope, depth: number): Type {
  const scope = readDeclarations(reader, new Scope(parent.reading, parent), depth);
  return { ...parent.reading.numbers.fresh(), imports: scope.imports, items: () => itemsOf(scope.exports) };
}

/**
 * The type of an instance. What it declares is read when it is met, and again for each import that has it, as the resources
 * are that import's then.
 */
function readInstanceType(reader: Reader, parent: Scope, depth: number): Type {
  const again = reader.copy();
  const read = (reader: Reader, owner?: string) =>
    itemsOf(readDeclarations(reader, new Scope(parent.reading, parent, owner), depth).exports);
  read(reader);
  return { ...parent.reading.numbers.fresh(), items: (owner) => read(again.copy(), owner) };
}

function readDeclarations(reader: Reader, scope: Scope, depth: number): Scope {
  if (depth > MAX_DEPTH) unknown("its types are nested too deep");
  each(reader, scope, () => {
    const kind = reader.byte();
    if (kind === 0x01) scope.types.push(readType(reader, scope, depth));
    else if (kind === 0x02) readAlias(reader, scope);
    else if (kind === 0x03) readImport(reader, scope);
    else if (kind === 0x04) {
      const name = readExternName(reader);
      const item = readDescription(reader, scope, name);
      define(scope, item);
      scope.exports.set(name, item);
    } else unknown(`a type declares something of the unknown kind ${kind}`);
  });
  return scope;
}

/** What an import or an export is. `name`: by which a resource is told from others of its interface. */
function readDescription(reader: Reader, scope: Scope, name: string, owner?: string): Item {
  const { numbers } = scope.reading;
  const sort = reader.byte();
  switch (sort) {
    case CORE:
      if (reader.byte() !== CORE_MODULE_SORT) unknown("it imports or exports a core thing that is no module");
      reader.number();
      return { sort, type: numbers.fresh() };
    case TYPE_SORT: {
      const bound = reader.byte();
      if (bound > 1) unknown("a type is bounded in an unknown way");
      if (bound === 0) return { sort, type: scope.type(reader.number()) };
      return {
        sort,
        type: scope.owner === undefined ? numbers.fresh() : numbers.resource(scope.owner, name),
      };
    }
    case FUNCTION_SORT:
    case COMPONENT_SORT:
      return { sort, type: scope.type(reader.number()) };
    case INSTANCE_SORT: {
      const type = scope.type(reader.number());
      if (!type.items) unknown("an instance has the type of something else");
      return { sort, type, items: type.items(owner) };
    }
  }
  return unknown(`it imports or exports something of the unknown kind ${sort}`);
}

// What has names and numbers

/** Gives something the next number of its sort. */
function define(scope: Scope, item: Item, definition?: Definition): void {
  if (item.sort === TYPE_SORT) scope.types.push(item.type);
  else if (item.sort === FUNCTION_SORT) scope.functions.push(item);
  else if (item.sort === INSTANCE_SORT) scope.instances.push(item);
  else if (item.sort === COMPONENT_SORT) scope.components.push(definition);
  else if (item.sort === CORE) scope.modules.push(undefined);
}

function readImport(reader: Reader, scope: Scope): void {
  const name = readExternName(reader);
  const [, owner] = /^([a-z0-9:/-]+)@[\d.]+$/.exec(name) ?? [];
  const item = readDescription(reader, scope, name, owner);
  define(scope, item);
  scope.imports.push([name, item]);
  scope.add({ bytes: 50 + name.length, parts: 0 });
}

/** An export of a component, which has a number of its own. */
function readExport(reader: Reader, scope: Scope): void {
  const name = readExternName(reader);
  const { item, definition } = readSorted(reader, scope);
  const ascribed = reader.byte();
  if (ascribed > 1) unknown("an export has a type in an unknown way");
  // It may show less of it; it is the same thing.
  if (ascribed === 1) readDescription(reader, scope, name);
  define(scope, item, definition);
  scope.exports.set(name, item);
}

/** Something by its sort and number. */
function readSorted(
  reader: Reader,
  scope: Scope,
): { readonly item: Item; readonly definition?: Definition | undefined } {
  const sort = reader.byte();
  if (sort === CORE && reader.byte() !== CORE_MODULE_SORT) unknown("it names a core thing that is no module");
  const index = reader.number();
  const missing = () => unknown(`it names number ${index} of the sort ${sort}, which it does not have`);
  switch (sort) {
    case TYPE_SORT:
      return { item: { sort, type: scope.type(index) } };
    case FUNCTION_SORT:
      return { item: scope.functions[index] ?? missing() };
    case INSTANCE_SORT:
      return { item: scope.instances[index] ?? missing() };
    case COMPONENT_SORT:
      if (index >= scope.components.length) missing();
      return { item: { sort, type: scope.reading.numbers.fresh() }, definition: scope.components[index] };
    case CORE:
      if (index >= scope.modules.length) missing();
      return { item: { sort, type: scope.reading.numbers.fresh() } };
  }
  return missing();
}

function readInstance(reader: Reader, scope: Scope): void {
  const kind = reader.byte();
  const type = scope.reading.numbers.fresh();
  if (kind === 0x00) {
    const definition = scope.components[reader.number()] ??
      unknown("it instantiates a component that it does not define itself");
    let given = 0;
    each(reader, scope, () => {
      reader.text();
      readSorted(reader, scope);
      given++;
    });
    scope.instances.push({ sort: INSTANCE_SORT, type, items: definition.exports });
    scope.add(sum(definition.unfolded, { bytes: 50 + 20 * given, parts: 0 }));
  } else if (kind === 0x01) {
    const exports = new Map<string, Item>();
    each(reader, scope, () => {
      const name = readExternName(reader);
      exports.set(name, readSorted(reader, scope).item);
    });
    scope.instances.push({ sort: INSTANCE_SORT, type, items: itemsOf(exports) });
  } else unknown(`it makes an instance in the unknown way ${kind}`);
}

function readAlias(reader: Reader, scope: Scope): void {
  const sort = reader.byte();
  const core = sort === CORE ? reader.byte() : undefined;
  const target = reader.byte();
  if (target === 0x02) return readOuterAlias(reader, scope, sort, core);
  const instance = reader.number();
  const name = reader.text();
  if (target === 0x01) { // of a core instance
    if (core === undefined) unknown("a core instance gives what is none of core");
    scope.reading.longest = Math.max(scope.reading.longest, name.length);
    scope.add({ bytes: 20, parts: 0 });
    return;
  }
  if (target !== 0x00) unknown(`an alias is of the unknown kind ${target}`);
  const of = scope.instances[instance] ??
    unknown(`it names the instance ${instance}, which it does not have`);
  const item = of.items!.map.get(name) ?? unknown(`an instance has no "${printable(name, 100)}"`);
  if (item.sort !== sort) unknown(`"${printable(name, 100)}" is of another sort than it is taken for`);
  define(scope, item);
}

function readOuterAlias(reader: Reader, scope: Scope, sort: number, core: number | undefined): void {
  let from: Scope | undefined = scope;
  for (let count = reader.number(); count > 0 && from; count--) from = from.parent;
  const index = reader.number();
  const missing = () => unknown(`it names number ${index} of what it is in, which has none`);
  if (sort === TYPE_SORT) scope.types.push(from?.types[index] ?? missing());
  else if (sort === COMPONENT_SORT) {
    if (!from || index >= from.components.length) missing();
    scope.components.push(from!.components[index]);
  } else if (core === CORE_MODULE_SORT) {
    if (!from || index >= from.modules.length) missing();
    scope.modules.push(from!.modules[index]);
  } else if (core !== CORE_TYPE_SORT) unknown("it takes from what it is in what can't be taken");
}

// Functions

const LATER = "It uses functions of the component model that came with WASI 0.3";

/** A function that is lifted or lowered, or one for resources. */
function readCanon(reader: Reader, scope: Scope): void {
  const { reading } = scope;
  const kind = reader.byte();
  if (kind === 0x00 || kind === 0x01) {
    if (reader.byte() !== 0x00) unknown("a function is lifted or lowered in an unknown way");
    const index = reader.number();
    readOptions(reader, scope);
    if (kind === 0x00) {
      const type = scope.type(reader.number());
      scope.functions.push({ sort: FUNCTION_SORT, type });
      scope.add({ bytes: 200 + reading.longest, parts: type.parts });
    } else {
      const { type } = scope.functions[index] ?? unknown(`it lowers the function ${index}, which it has not`);
      scope.add({ bytes: 1000, parts: type.parts });
    }
  } else if (kind >= 0x02 && kind <= 0x04) { // of a resource: new, drop, rep
    scope.type(reader.number());
    scope.add({ bytes: 500, parts: 0 });
  } else throw new AppError("PLUGIN_UNSUPPORTED", LATER, { hint: "build it for WASI 0.2 (wasm32-wasip2)" });
}

function readOptions(reader: Reader, scope: Scope): void {
  each(reader, scope, () => {
    const kind = reader.byte();
    if (kind <= 0x02) return; // how strings are encoded
    if (kind > 0x05) {
      throw new AppError("PLUGIN_UNSUPPORTED", LATER, { hint: "build it for WASI 0.2 (wasm32-wasip2)" });
    }
    reader.number(); // memory, realloc, post-return
  });
}

function unknown(what: string): never {
  throw new AppError("WASM_INVALID", `The component can't be read: ${what}`);
}
