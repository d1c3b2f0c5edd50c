/**
 * How much code a component's types unfold into. jco writes code for every part of every type of every function that is
 * lowered or lifted, so that a few hundred bytes of types in types can become gigabytes: those are told beforehand.
 * Component model, Binary.md: type definitions, aliases, canonical definitions. Pure.
 */

import { AppError } from "../runtime/errors.ts";
import { Reader, readExternName, readSections, wasmKind } from "./wasm.ts";

/** What is known of a type: how many parts it has when all that it names is written out. */
interface Type {
  readonly size: number;
  /** Of an instance or component type: what it exports, types and functions. */
  readonly exports?: ReadonlyMap<string, Type>;
}

/** A component, or a type of one or of an instance, while its definitions are read. */
class Scope {
  readonly types: Type[] = [];
  readonly functions: Type[] = [];
  readonly instances: Type[] = [];
  readonly exports = new Map<string, Type>();

  /** The largest type of all, shared by all scopes. */
  readonly tally: { largest: number };

  constructor(readonly parent: Scope | undefined) {
    this.tally = parent?.tally ?? { largest: 0 };
  }

  type(index: number): Type {
    return this.types[index] ?? unknown(`it names the type ${index}, which it does not have`);
  }
}

/** Parts in all. The largest real components have some thousands; each costs kilobytes while it is compiled. */
const MAX_PARTS = 100_000;
const CAP = 1e12;
const MAX_DEPTH = 100;
const ONE: Type = { size: 1 };

// Sections of a component.
const COMPONENT = 4;
const INSTANCE = 5;
const ALIAS = 6;
const TYPE = 7;
const CANON = 8;
const IMPORT = 10;
const EXPORT = 11;
// Sorts, and external descriptions: these coincide but for core things.
const FUNCTION = 0x01;
const TYPE_SORT = 0x03;
const INSTANCE_SORT = 0x05;

/** The parts that the types of a component's functions have in all, written out. @throws AppError WASM_INVALID */
export function countTypeParts(bytes: Uint8Array): number {
  return wasmKind(bytes) === "component" ? measure(bytes, new Scope(undefined), 0) : 0;
}

/** Refuses a component that has a type which unfolds into too much, used or not. @throws AppError TOO_LARGE, WASM_INVALID */
export function refuseLargeTypes(bytes: Uint8Array): void {
  const scope = new Scope(undefined);
  measure(bytes, scope, 0);
  if (scope.tally.largest > MAX_PARTS) {
    throw new AppError("TOO_LARGE", `One of its types has more than ${MAX_PARTS} parts`);
  }
}

/** Refuses a component whose types unfold into too much. @throws AppError TOO_LARGE, WASM_INVALID */
export function refuseTypeBomb(bytes: Uint8Array): void {
  const parts = countTypeParts(bytes);
  if (parts > MAX_PARTS) {
    throw new AppError(
      "TOO_LARGE",
      `The types of its functions have ${parts >= CAP ? "more" : parts} parts in all, more than ${MAX_PARTS}`,
    );
  }
}

/** The parts of all functions that a component, and those in it, lower and lift. */
function measure(bytes: Uint8Array, scope: Scope, depth: number): number {
  if (depth > MAX_DEPTH) throw unknown("its components are nested too deep");
  let parts = 0;
  for (const { id, content, end } of readSections(bytes)) {
    const reader = new Reader(bytes, content, end);
    if (id === COMPONENT) parts += measure(bytes.subarray(content, end), new Scope(scope), depth + 1);
    else if (id === TYPE) each(reader, () => scope.types.push(readType(reader, scope, depth)));
    else if (id === ALIAS) each(reader, () => readAlias(reader, scope));
    else if (id === IMPORT) {
      each(reader, () => describe(scope, readExternName(reader), readDescription(reader, scope)));
    } else if (id === EXPORT) each(reader, () => readExport(reader, scope));
    else if (id === INSTANCE) each(reader, () => scope.instances.push(readInstance(reader, scope)));
    else if (id === CANON) parts += readCanons(reader, scope);
    parts = Math.min(CAP, parts);
  }
  return parts;
}

function each(reader: Reader, item: () => unknown): void {
  for (let count = reader.number(); count > 0; count--) item();
}

function sum(types: readonly Type[]): Type {
  return { size: Math.min(CAP, types.reduce((total, { size }) => total + size, 1)) };
}

/** A definition of a type. */
function readType(reader: Reader, scope: Scope, depth: number): Type {
  const type = readDefinition(reader, scope, depth);
  scope.tally.largest = Math.max(scope.tally.largest, type.size);
  return type;
}

function readDefinition(reader: Reader, scope: Scope, depth: number): Type {
  const value = () => readValueType(reader, scope);
  const optional = () => reader.byte() === 0 ? ONE : value();
  const list = (item: () => Type): Type => {
    const items: Type[] = [];
    each(reader, () => items.push(item()));
    return sum(items);
  };
  const labelled = () => (reader.text(), value());
  const kind = reader.byte();
  switch (kind) {
    case 0x3f: // resource: what stands for it, and its destructor
      reader.byte();
      if (reader.byte() === 1) reader.number();
      return ONE;
    case 0x40: // function
    case 0x43: { // asynchronous one
      const parameters = list(labelled);
      const result = reader.byte() === 0 ? value() : (reader.byte(), ONE);
      return sum([parameters, result]);
    }
    case 0x41:
    case 0x42: // component, instance
      return readDeclarations(reader, scope, depth + 1);
    case 0x72: // record
      return list(labelled);
    case 0x71: // variant
      return list(() => {
        reader.text();
        const of = optional();
        reader.byte();
        return of;
      });
    case 0x70: // list
    case 0x6b: // option
      return sum([value()]);
    case 0x67: { // list of a fixed length, which is written out
      const of = value();
      return { size: Math.min(CAP, of.size * (reader.number() + 1)) };
    }
    case 0x6f: // tuple
      return list(value);
    case 0x6e: // flags
    case 0x6d: // enum
      return list(() => (reader.text(), ONE));
    case 0x6a: // result
      return sum([optional(), optional()]);
    case 0x69:
    case 0x68: // own, borrow
      reader.number();
      return ONE;
    case 0x66:
    case 0x65: // stream, future
      return sum([optional()]);
  }
  if (kind >= 0x64 && kind <= 0x7f) return ONE; // a primitive
  throw unknown(`it defines a type of the unknown kind ${kind}`);
}

/** A primitive, in one byte that is negative as a signed number, or the index of a type. */
function readValueType(reader: Reader, scope: Scope): Type {
  const first = reader.byte();
  if (first >= 0x40 && first < 0x80) return ONE;
  let index = first & 0x7f;
  for (let byte = first, shift = 7; byte >= 0x80; shift += 7) {
    if (shift > 28) throw unknown("the index of a type is too large");
    byte = reader.byte();
    index += (byte & 0x7f) * 2 ** shift;
  }
  return scope.type(index);
}

/** The type of a component or an instance: declarations in a scope of their own. */
function readDeclarations(reader: Reader, parent: Scope, depth: number): Type {
  if (depth > MAX_DEPTH) throw unknown("its types are nested too deep");
  const scope = new Scope(parent);
  each(reader, () => {
    const kind = reader.byte();
    if (kind === 0x01) scope.types.push(readType(reader, scope, depth));
    else if (kind === 0x02) readAlias(reader, scope);
    else if (kind === 0x03) describe(scope, readExternName(reader), readDescription(reader, scope));
    else if (kind === 0x04) {
      const name = readExternName(reader);
      const described = readDescription(reader, scope);
      describe(scope, name, described);
      scope.exports.set(name, described.type);
    } else throw unknown(`a type declares something of the unknown kind ${kind}`);
  });
  return { size: 1, exports: scope.exports };
}

interface Described {
  readonly sort: number;
  readonly type: Type;
}

/** What an import or an export is of. */
function readDescription(reader: Reader, scope: Scope): Described {
  const sort = reader.byte();
  switch (sort) {
    case 0x00: // core module
      reader.byte();
      reader.number();
      return { sort, type: ONE };
    case 0x02: // value
      if (reader.byte() === 0) reader.number();
      else readValueType(reader, scope);
      return { sort, type: ONE };
    case TYPE_SORT:
      return { sort, type: reader.byte() === 0 ? scope.type(reader.number()) : ONE };
    case FUNCTION:
    case 0x04:
    case INSTANCE_SORT:
      return { sort, type: scope.type(reader.number()) };
  }
  throw unknown(`it imports or exports something of the unknown kind ${sort}`);
}

function describe(scope: Scope, _name: string, { sort, type }: Described): void {
  if (sort === TYPE_SORT) scope.types.push(type);
  else if (sort === FUNCTION) scope.functions.push(type);
  else if (sort === INSTANCE_SORT) scope.instances.push(type);
}

/** An export of a component, which has a number of its own. */
function readExport(reader: Reader, scope: Scope): void {
  const name = readExternName(reader);
  const { sort, type } = readSorted(reader, scope);
  const described = reader.byte() === 1 ? readDescription(reader, scope) : undefined;
  describe(
    scope,
    name,
    described?.sort === sort ? { sort, type: larger(described.type, type) } : { sort, type },
  );
}

function larger(one: Type, other: Type): Type {
  return one.size >= other.size && (one.exports || !other.exports) ? one : other;
}

/** Something by its sort and number. */
function readSorted(reader: Reader, scope: Scope): Described {
  const sort = reader.byte();
  if (sort === 0) reader.byte();
  const index = reader.number();
  const from = sort === TYPE_SORT
    ? scope.types
    : sort === FUNCTION
    ? scope.functions
    : sort === INSTANCE_SORT
    ? scope.instances
    : undefined;
  if (!from) return { sort, type: ONE };
  return {
    sort,
    type: from[index] ?? unknown(`it names number ${index} of the sort ${sort}, which it does not have`),
  };
}

/** An instance: of a component, whose exports are not followed, or of what is named here. */
function readInstance(reader: Reader, scope: Scope): Type {
  if (reader.byte() === 0x00) {
    reader.number();
    each(reader, () => {
      reader.text();
      readSorted(reader, scope);
    });
    return { size: Math.max(1, scope.tally.largest) }; // none in it is larger than what it could be made of
  }
  const exports = new Map<string, Type>();
  each(reader, () => exports.set(readExternName(reader), readSorted(reader, scope).type));
  return { size: 1, exports };
}

function readAlias(reader: Reader, scope: Scope): void {
  const sort = reader.byte();
  if (sort === 0) reader.byte();
  const target = reader.byte();
  if (target === 0x02) {
    let from: Scope | undefined = scope;
    for (let count = reader.number(); count > 0; count--) from = from?.parent;
    const index = reader.number();
    if (sort === TYPE_SORT) {
      scope.types.push(
        from?.types[index] ?? unknown(`it names the type ${index} of what it is in, which has none`),
      );
    }
    return;
  }
  const instance = reader.number();
  const name = reader.text();
  if (target === 0x01) return; // of a core instance
  const of = scope.instances[instance] ??
    unknown(`it names the instance ${instance}, which it does not have`);
  describe(scope, name, { sort, type: of.exports?.get(name) ?? { size: of.size } });
}

/** The parts of the functions that are lowered and lifted. Lifting makes a function. */
function readCanons(reader: Reader, scope: Scope): number {
  let parts = 0;
  for (let count = reader.number(); count > 0; count--) {
    const kind = reader.byte();
    if (kind === 0x00 || kind === 0x01) {
      reader.byte();
      const index = reader.number();
      readOptions(reader);
      if (kind === 0x00) {
        const type = scope.type(reader.number());
        scope.functions.push(type);
        parts += type.size;
      } else {parts +=
          (scope.functions[index] ?? unknown(`it lowers the function ${index}, which it has not`)).size;}
    } else if (kind >= 0x02 && kind <= 0x04) reader.number(); // of a resource: new, drop, rep
    else if (kind === 0x07) reader.number(); // drop, asynchronously
    else return parts; // built-ins of WASI 0.3, which is refused by its imports
  }
  return parts;
}

function readOptions(reader: Reader): void {
  each(reader, () => {
    const kind = reader.byte();
    if ([0x03, 0x04, 0x05, 0x07, 0x08].includes(kind)) reader.number(); // memory, realloc, post-return, callback, type
  });
}

function unknown(what: string): never {
  throw new AppError("WASM_INVALID", `Its types can't be read: ${what}`);
}
