/**
 * Reads a component's definitions (component model, Binary.md): its structural types, its imports and exports, and its
 * size if every instantiation is expanded, as jco expands it. Pure.
 *
 * The reader refuses everything that it does not understand. A reader that skipped bytes could check another component
 * than the one that the compiler runs.
 */

import { AppError } from "../../runtime/base/errors.ts";
import { type Item, type Items, itemsOf, sum, TypeNumbers, type Unfolded } from "./component_items.ts";
import {
  COMPONENT_SORT,
  CORE,
  CORE_INSTANCE_SORT,
  CORE_MODULE_SORT,
  define,
  type Definition,
  each,
  FUNCTION_SORT,
  INSTANCE_SORT,
  type ModuleReport,
  Reading,
  Scope,
  TYPE_SORT,
  unknown,
} from "./component_scope.ts";
import { readAlias, readDescription, readImport, readType } from "./component_types.ts";
import { readModuleNames } from "./import_names.ts";
import { MAX_DEPTH, Reader, readExternName, readSections, wasmKind } from "./wasm_reader.ts";

/** A component, read. */
export interface ComponentReport {
  readonly imports: readonly (readonly [name: string, item: Item])[];
  readonly exports: Items;
  /** Expanded size of the whole component. */
  readonly unfolded: Unfolded;
  /** Number of parts of its largest type, used or not. */
  readonly largestType: number;
}

// Sections of a component. 9 and 12 (start functions and values) are missing because no toolchain makes them.
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
// Section of a core module.
const MODULE_MEMORY = 5;
/**
 * Reads a component. Types with the same structure get the same number, including types that `numbers` already knows.
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
    // jco writes the exports out for callers in JavaScript.
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
      case CORE_TYPE: // types of modules that are passed in; no instantiated module may be one
        continue;
      case CORE_MODULE:
        scope.modules.push(reportOf(bytes.subarray(content, end)));
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

function reportOf(module: Uint8Array): ModuleReport {
  if (wasmKind(module) !== "module") unknown("what should be a core module is a component");
  const { imports } = readModuleNames(module);
  const section = readSections(module).find(({ id }) => id === MODULE_MEMORY);
  return {
    imports: imports.length,
    nameBytes: imports.reduce((bytes, name) => bytes + name.length, 0),
    memories: section ? new Reader(module, section.content, section.end).number() : 0,
  };
}

/** Reads an export of a component; an export gets an index of its own. */
function readExport(reader: Reader, scope: Scope): void {
  const name = readExternName(reader);
  const { item, definition } = readSorted(reader, scope);
  const ascribed = reader.byte();
  if (ascribed > 1) unknown("an export has a type in an unknown way");
  // The ascribed type may show less, but it is the same thing.
  if (ascribed === 1) readDescription(reader, scope, name);
  define(scope, item, definition);
  scope.exports.set(name, item);
}

/** Looks something up by its sort and index. */
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
    scope.add(sum(definition.unfolded, { bytes: 50 + 20 * given }));
  } else if (kind === 0x01) {
    const exports = new Map<string, Item>();
    each(reader, scope, () => {
      const name = readExternName(reader);
      exports.set(name, readSorted(reader, scope).item);
    });
    scope.instances.push({ sort: INSTANCE_SORT, type, items: itemsOf(exports) });
  } else unknown(`it makes an instance in the unknown way ${kind}`);
}

// Core instances

function readCoreInstance(reader: Reader, scope: Scope): void {
  const { reading } = scope;
  const kind = reader.byte();
  if (kind === 0x00) {
    const module = scope.modules[reader.number()] ??
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
    // jco writes the name of each import, and the name of the value passed for it.
    const names = 2 * module.nameBytes + module.imports * (60 + reading.longest);
    scope.add({ bytes: 100 + 60 * given + names, instances: 1, memories: module.memories });
  } else if (kind === 0x01) {
    each(reader, scope, () => {
      const name = reader.text();
      reading.longest = Math.max(reading.longest, name.length);
      reader.byte(); // its sort
      reader.number();
    });
  } else unknown(`it makes a core instance in the unknown way ${kind}`);
}

// Functions

const LATER = "It uses functions of the component model that came with WASI 0.3";

/** Reads a canonical function: lift, lower, or a resource built-in. */
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
  } else if (kind >= 0x02 && kind <= 0x04) { // resource.new, resource.drop, resource.rep
    scope.type(reader.number());
    scope.add({ bytes: 500 });
  } else throw new AppError("PLUGIN_UNSUPPORTED", LATER, { hint: "build it for WASI 0.2 (wasm32-wasip2)" });
}

function readOptions(reader: Reader, scope: Scope): void {
  each(reader, scope, () => {
    const kind = reader.byte();
    if (kind <= 0x02) return; // string encoding
    if (kind > 0x05) {
      throw new AppError("PLUGIN_UNSUPPORTED", LATER, { hint: "build it for WASI 0.2 (wasm32-wasip2)" });
    }
    reader.number(); // memory, realloc, post-return
  });
}
