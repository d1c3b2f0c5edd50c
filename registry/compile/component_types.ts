/**
 * Reads the types of a component by structure (component model, Binary.md: type definitions, imports, aliases).
 * Instance and component types are read from their declarations. Pure.
 */

import { printable } from "../../runtime/base/text.ts";
import { type Item, itemsOf, type Type } from "./component_items.ts";
import {
  COMPONENT_SORT,
  CORE,
  CORE_MODULE_SORT,
  CORE_TYPE_SORT,
  define,
  each,
  FUNCTION_SORT,
  INSTANCE_SORT,
  Scope,
  TYPE_SORT,
  unknown,
} from "./component_scope.ts";
import { MAX_DEPTH, type Reader, readExternName } from "./wasm_reader.ts";

/** Primitive types by their byte. 0x64 is WASI 0.3's error context. */
const PRIMITIVES: ReadonlyMap<number, string> = new Map([
  ...[[0x7f, "bool"], [0x7e, "s8"], [0x7d, "u8"], [0x7c, "s16"], [0x7b, "u16"], [0x7a, "s32"]] as const,
  ...[[0x79, "u32"], [0x78, "s64"], [0x77, "u64"], [0x76, "f32"], [0x75, "f64"], [0x74, "char"]] as const,
  ...[[0x73, "string"], [0x64, "error-context"]] as const,
]);

/** A definition of a type. */
export function readType(reader: Reader, scope: Scope, depth: number): Type {
  const type = readTypeDefinition(reader, scope, depth);
  scope.reading.largestType = Math.max(scope.reading.largestType, type.parts);
  return type;
}

function readTypeDefinition(reader: Reader, scope: Scope, depth: number): Type {
  const kind = reader.byte();
  const { numbers } = scope.reading;
  if (kind === 0x3f) { // a resource: its representation, then its destructor
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
  // The calling convention of a host is not part of a function's type.
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
    case 0x67: { // jco expands a list of fixed length
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

/** Reads the label of a parameter, field, case or flag. */
function readLabel(reader: Reader): string {
  const label = reader.text();
  if (!/^[A-Za-z0-9-]+$/.test(label)) unknown(`"${printable(label, 100)}" is no name of the component model`);
  return label;
}

/** Reads a value type: a primitive (one byte, negative as a signed number) or a type index (a signed 33-bit number). */
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

/** Reads a component type: declarations in a scope of their own. */
function readComponentType(reader: Reader, parent: Scope, depth: number): Type {
  const scope = readDeclarations(reader, new Scope(parent.reading, parent), depth);
  return { ...parent.reading.numbers.fresh(), imports: scope.imports, items: () => itemsOf(scope.exports) };
}

/**
 * Reads an instance type. Its declarations are read once here, and again for each import of this type, because the
 * resources then belong to that import.
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

/** Reads the type of an import or export. `name` distinguishes a resource from others of its interface. */
export function readDescription(reader: Reader, scope: Scope, name: string, owner?: string): Item {
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

export function readImport(reader: Reader, scope: Scope): void {
  const name = readExternName(reader);
  const [, owner] = /^([a-z0-9:/-]+)@[\d.]+$/.exec(name) ?? [];
  const item = readDescription(reader, scope, name, owner);
  define(scope, item);
  scope.imports.push([name, item]);
  scope.add({ bytes: 50 + name.length });
}

export function readAlias(reader: Reader, scope: Scope): void {
  const sort = reader.byte();
  const core = sort === CORE ? reader.byte() : undefined;
  const target = reader.byte();
  if (target === 0x02) return readOuterAlias(reader, scope, sort, core);
  const instance = reader.number();
  const name = reader.text();
  if (target === 0x01) { // an export of a core instance
    if (core === undefined) unknown("a core instance gives what is none of core");
    scope.reading.longest = Math.max(scope.reading.longest, name.length);
    scope.add({ bytes: 20 });
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
