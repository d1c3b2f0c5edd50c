/** Reads the names of what modules and components import, export and link. Pure. */

import {
  invalid,
  MAX_DEPTH,
  Reader,
  readExternName,
  readSections,
  skipReferenceType,
} from "./wasm_reader.ts";

/** A component's own imports and exports, versions included. */
export interface ComponentNames {
  readonly imports: readonly string[];
  readonly exports: readonly string[];
}

// Sections of a core module.
const MODULE_IMPORT = 2;
const MODULE_EXPORT = 7;
// Sections of a component.
const CORE_INSTANCE = 2;
const NESTED_COMPONENT = 4;
const INSTANCE = 5;
const ALIAS = 6;
const COMPONENT_IMPORT = 10;
const COMPONENT_EXPORT = 11;

/**
 * A component's own imports and exports, without nested ones.
 *
 * @throws AppError WASM_INVALID
 */
export function readComponentNames(bytes: Uint8Array): ComponentNames {
  const read = (wanted: number, names: (reader: Reader) => string[]) =>
    readSections(bytes).flatMap(({ id, content, end }) =>
      id === wanted ? names(new Reader(bytes, content, end)) : []
    );
  return { imports: read(COMPONENT_IMPORT, readImports), exports: read(COMPONENT_EXPORT, readExports) };
}

/**
 * A core module's imports as `MODULE.NAME`, and the names of its exports (core specification 5.5.5, 5.5.10). The engine
 * could list them too, but would compile the module first.
 *
 * @throws AppError WASM_INVALID
 */
export function readModuleNames(bytes: Uint8Array): ComponentNames {
  const imports: string[] = [];
  const exports: string[] = [];
  for (const { id, content, end } of readSections(bytes)) {
    const reader = new Reader(bytes, content, end);
    if (id === MODULE_IMPORT) {
      readSection(reader, () => {
        imports.push(`${reader.text()}.${reader.text()}`);
        skipImportType(reader);
      });
    }
    if (id === MODULE_EXPORT) {
      readSection(reader, () => {
        exports.push(reader.text());
        reader.byte(); // its sort
        reader.number();
      });
    }
  }
  return { imports, exports };
}

function skipImportType(reader: Reader): void {
  const kind = reader.byte();
  switch (kind) {
    case 0x00: // function: its type
      reader.number();
      return;
    case 0x01: // table: its element type and limits
      skipReferenceType(reader);
      skipLimits(reader);
      return;
    case 0x02:
      skipLimits(reader);
      return;
    case 0x03: // global: its type and mutability
      skipReferenceType(reader);
      reader.byte();
      return;
    case 0x04: // tag
      reader.byte();
      reader.number();
      return;
    default:
      throw invalid(`it imports something of the unknown kind ${kind}`);
  }
}

function skipLimits(reader: Reader): void {
  const flags = reader.byte();
  reader.wide();
  if ((flags & 1) !== 0) reader.wide();
}

/**
 * Every name that links parts of a component, at every depth: imports, exports, instances and their arguments, aliases.
 * The engine reports the names inside core modules.
 *
 * @throws AppError WASM_INVALID
 */
export function readLinkNames(bytes: Uint8Array, depth = 0): Set<string> {
  if (depth > MAX_DEPTH) throw invalid("its components are nested too deep");
  const names = new Set<string>();
  for (const { id, content, end } of readSections(bytes)) {
    const reader = new Reader(bytes, content, end);
    const found = id === COMPONENT_IMPORT
      ? readImports(reader)
      : id === COMPONENT_EXPORT
      ? readExports(reader)
      : id === CORE_INSTANCE
      ? readCoreInstances(reader)
      : id === INSTANCE
      ? readInstances(reader)
      : id === ALIAS
      ? readAliases(reader)
      : id === NESTED_COMPONENT
      ? readLinkNames(bytes.subarray(content, end), depth + 1)
      : [];
    for (const name of found) names.add(name);
  }
  return names;
}

/** The items of a section. They must fill it exactly. */
function readList<T>(reader: Reader, item: (reader: Reader) => T): T[] {
  const items: T[] = [];
  for (let count = reader.number(); count > 0; count--) items.push(item(reader));
  return items;
}

function readSection<T>(reader: Reader, item: (reader: Reader) => T): T[] {
  const items = readList(reader, item);
  if (!reader.done) throw invalid("a section has bytes left over");
  return items;
}

function readImports(reader: Reader): string[] {
  return readSection(reader, () => {
    const name = readExternName(reader);
    skipDescription(reader);
    return name;
  });
}

function readExports(reader: Reader): string[] {
  return readSection(reader, () => {
    const name = readExternName(reader);
    skipSortAndIndex(reader);
    if (reader.byte() === 0x01) skipDescription(reader);
    return name;
  });
}

function readCoreInstances(reader: Reader): string[] {
  return readSection(reader, () => {
    const instantiates = reader.byte() === 0x00;
    if (instantiates) reader.number(); // the module's index
    return readList(reader, () => {
      const name = reader.text();
      reader.byte(); // its sort
      reader.number();
      return name;
    });
  }).flat();
}

function readInstances(reader: Reader): string[] {
  return readSection(reader, () => {
    const instantiates = reader.byte() === 0x00;
    if (instantiates) reader.number(); // the component's index
    return readList(reader, () => {
      const name = instantiates ? reader.text() : readExternName(reader);
      skipSortAndIndex(reader);
      return name;
    });
  }).flat();
}

function readAliases(reader: Reader): string[] {
  return readSection(reader, () => {
    if (reader.byte() === 0x00) reader.byte(); // its sort; core sorts have a second byte
    const outer = reader.byte() === 0x02;
    reader.number();
    if (!outer) return [reader.text()];
    reader.number();
    return [];
  }).flat();
}

function skipSortAndIndex(reader: Reader): void {
  if (reader.byte() === 0x00) reader.byte();
  reader.number();
}

function skipDescription(reader: Reader): void {
  const kind = reader.byte();
  switch (kind) {
    case 0x00: // core module
    case 0x02: // value: equal to one, or of a type
      reader.byte();
      reader.number();
      return;
    case 0x01: // func
    case 0x04: // component
    case 0x05: // instance
      reader.number();
      return;
    case 0x03: // type: equal to one, or a resource
      if (reader.byte() === 0x00) reader.number();
      return;
    default:
      throw invalid(`it imports or exports something of the unknown kind ${kind}`);
  }
}
