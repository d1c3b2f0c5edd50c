/** Reads the header and sections of a WebAssembly binary (core specification 5.5, component model Binary.md). Pure. */

import { AppError } from "../../runtime/base/errors.ts";

/** A section: its id and its offsets. */
export interface Section {
  readonly id: number;
  /** Only for a custom section. */
  readonly name: string | undefined;
  /** Where the section begins, including its id. */
  readonly start: number;
  /** Where its content begins, after its id and size. */
  readonly content: number;
  /** Where its data begins: for a custom section, after its name. */
  readonly data: number;
  readonly end: number;
}

/** A component's own imports and exports, versions included. */
export interface ComponentNames {
  readonly imports: readonly string[];
  readonly exports: readonly string[];
}

const MAGIC = [0x00, 0x61, 0x73, 0x6d];
/** Length of the header of a module or component. Bytes. */
export const PREAMBLE = 8;
// Sections of a core module.
const MODULE_IMPORT = 2;
const MODULE_EXPORT = 7;
const CODE = 10;
// Sections of a component.
const CORE_MODULE = 1;
const CORE_INSTANCE = 2;
const NESTED_COMPONENT = 4;
const INSTANCE = 5;
const ALIAS = 6;
const COMPONENT_IMPORT = 10;
const COMPONENT_EXPORT = 11;

/** Module or component, by the header's version and layer. @throws AppError WASM_INVALID */
export function wasmKind(bytes: Uint8Array): "module" | "component" {
  if (bytes.length < 8 || MAGIC.some((byte, index) => bytes[index] !== byte)) {
    throw new AppError("WASM_INVALID", "It is not WebAssembly: it does not begin with \\0asm");
  }
  const version = bytes[4]! | bytes[5]! << 8;
  const layer = bytes[6]! | bytes[7]! << 8;
  if (layer === 0 && version === 1) return "module";
  if (layer === 1 && version === 0x0d) return "component";
  throw new AppError(
    "WASM_INVALID",
    `It is WebAssembly of version ${version}, layer ${layer}, which krew-wasm does not know`,
  );
}

/** The most sections, including nested ones of a component. Real binaries have some hundreds. */
export const MAX_SECTIONS = 100_000;

/** The sections of a module or component, in order, without nested ones. @throws AppError WASM_INVALID, TOO_LARGE */
export function readSections(bytes: Uint8Array): Section[] {
  const sections: Section[] = [];
  const reader = new Reader(bytes, PREAMBLE, bytes.length);
  while (!reader.done) {
    const start = reader.offset;
    const id = reader.byte();
    const size = reader.number();
    const content = reader.offset;
    reader.skip(size);
    const end = reader.offset;
    const inner = new Reader(bytes, content, end);
    const name = id === 0 ? inner.text() : undefined;
    if (sections.length === MAX_SECTIONS) throw tooManySections();
    sections.push({ id, name, start, content, data: inner.offset, end });
  }
  return sections;
}

/** A core module without the sections that the engine does not need. */
export interface StrippedModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Content of the section `name`, for stack traces of crashes. */
  readonly names: Uint8Array<ArrayBuffer> | undefined;
}

/**
 * Removes a core module's custom sections: the engine ignores them, and they are most of the bytes of many modules. The
 * names of functions are kept apart. The engine shows `name` in stack traces of crashes.
 *
 * @param marks names of empty custom sections to add
 */
export function stripModule(bytes: Uint8Array, name: string, marks: readonly string[] = []): StrippedModule {
  const sections = readSections(bytes);
  const kept = sections.filter(({ id }) => id !== 0);
  const text = new TextEncoder().encode(name);
  if (text.length > 100) throw new RangeError(`"${name}" is too long a name`);
  // The section `name` with the module's name (subsection 0).
  const section = [4, ...new TextEncoder().encode("name"), 0, text.length + 1, text.length, ...text];
  const own = Uint8Array.from([
    ...[0, section.length, ...section],
    ...marks.flatMap((mark) => {
      const text = new TextEncoder().encode(mark);
      return [0, text.length + 1, text.length, ...text];
    }),
  ]);
  const stripped = new Uint8Array(
    kept.reduce((sum, { start, end }) => sum + end - start, PREAMBLE + own.length),
  );
  stripped.set(bytes.subarray(0, PREAMBLE));
  let at = PREAMBLE;
  for (const { start, end } of kept) {
    stripped.set(bytes.subarray(start, end), at);
    at += end - start;
  }
  stripped.set(own, at);
  const names = sections.find(({ id, name }) => id === 0 && name === "name");
  return { bytes: stripped, names: names && bytes.slice(names.data, names.end) };
}

/** Whether the compiler needs a custom section: names of functions, and types of a component. */
export function isKeptCustomSection(name: string): boolean {
  return name === "name" || name.startsWith("component-type");
}

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

/** Skips a value type: one byte, except for `ref` and `ref null`, which name a heap type. */
function skipReferenceType(reader: Reader): void {
  const type = reader.byte();
  if (type === 0x63 || type === 0x64) reader.number();
}

function skipLimits(reader: Reader): void {
  const flags = reader.byte();
  reader.wide();
  if ((flags & 1) !== 0) reader.wide();
}

/**
 * The most locals: somewhat more than the largest real modules have. Locals cost the engine memory and time, but no
 * bytes.
 */
const MAX_LOCALS = 20_000_000;

/**
 * Refuses small binaries that are expensive to compile: functions that together declare more locals than any real
 * program, and too many sections. Looks into the modules of a component, too.
 *
 * @param inspect called for each function with the offsets of its instructions
 * @throws AppError TOO_LARGE, WASM_INVALID
 */
export function refuseBomb(bytes: Uint8Array, inspect: Inspect = () => {}): void {
  const { locals } = countParts(bytes, { sections: 0, locals: 0 }, 0, inspect);
  if (locals > MAX_LOCALS) {
    throw new AppError("TOO_LARGE", `Its functions declare ${locals} locals, more than ${MAX_LOCALS}`);
  }
}

/** Inspects one function of a module. */
type Inspect = (bytes: Uint8Array, start: number, end: number) => void;

/** The most imports of a core module: each costs time at every start. Real modules import some dozens. */
const MAX_IMPORTS = 200_000;

/** Refuses a core module with more imports than any real program. @throws AppError TOO_LARGE, WASM_INVALID */
export function refuseImports(bytes: Uint8Array): void {
  for (const { id, content, end } of readSections(bytes)) {
    const count = id === MODULE_IMPORT ? new Reader(bytes, content, end).number() : 0;
    if (count > MAX_IMPORTS) {
      throw new AppError("TOO_LARGE", `It imports ${count} functions, more than ${MAX_IMPORTS}`);
    }
  }
}

function countParts(
  bytes: Uint8Array,
  parts: { sections: number; locals: number },
  depth: number,
  inspect: Inspect,
): { readonly sections: number; readonly locals: number } {
  if (depth > MAX_DEPTH) throw invalid("its components are nested too deep");
  const component = wasmKind(bytes) === "component";
  const sections = readSections(bytes);
  parts.sections += sections.length;
  if (parts.sections > MAX_SECTIONS) throw tooManySections();
  for (const { id, content, end } of sections) {
    if (component) {
      const nested = id === CORE_MODULE || id === NESTED_COMPONENT;
      if (nested) countParts(bytes.subarray(content, end), parts, depth + 1, inspect);
      continue;
    }
    if (id !== CODE) continue;
    const reader = new Reader(bytes, content, end);
    for (let functions = reader.number(); functions > 0; functions--) {
      const size = reader.number();
      const body = new Reader(bytes, reader.offset, reader.offset + size);
      reader.skip(size);
      for (let groups = body.number(); groups > 0; groups--) {
        parts.locals += body.number();
        skipReferenceType(body);
      }
      inspect(bytes, body.offset, reader.offset);
    }
  }
  return parts;
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

/** Real compositions nest components two or three deep. */
export const MAX_DEPTH = 100;

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

/** Reads the name of an import or export, without its form. */
export function readExternName(reader: Reader): string {
  if (reader.byte() > 1) throw invalid("a name is of an unknown form");
  return reader.text();
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

/** Reads between two offsets, never beyond. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get done(): boolean {
    return this.#at >= this.#end;
  }

  get offset(): number {
    return this.#at;
  }

  /** Another reader at the same offset. */
  copy(): Reader {
    return new Reader(this.#bytes, this.#at, this.#end);
  }

  /** Skips bytes. */
  skip(length: number): void {
    if (this.#at + length > this.#end) throw invalid(`what begins at byte ${this.#at} leaves what it is in`);
    this.#at += length;
  }

  byte(): number {
    if (this.done) throw invalid(`it ends within something, at byte ${this.#at}`);
    return this.#bytes[this.#at++]!;
  }

  /** Reads an unsigned 32-bit LEB128 number. */
  number(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) {
        if (value > 0xffffffff) break;
        return value;
      }
    }
    throw invalid(`the number before byte ${this.#at} is too large`);
  }

  /** Skips a number of up to 64 bits: limits of memories and tables may be that large. */
  wide(): void {
    for (let length = 0; length < 10; length++) if (this.byte() < 0x80) return;
    throw invalid(`the number before byte ${this.#at} is too large`);
  }

  /** Reads a name: its length and its UTF-8. */
  text(): string {
    const length = this.number();
    const start = this.#at;
    this.skip(length);
    try {
      return UTF8.decode(this.#bytes.subarray(start, this.#at));
    } catch {
      throw invalid(`the name at byte ${start} is not UTF-8`);
    }
  }
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function tooManySections(): AppError {
  return new AppError("TOO_LARGE", `It has more than ${MAX_SECTIONS} sections`);
}

function invalid(what: string): AppError {
  return new AppError("WASM_INVALID", `It is not valid WebAssembly: ${what}`);
}
