/**
 * What a WebAssembly binary is, told by its header and sections (core specification 5.5, component model
 * Binary.md). Pure.
 */

import { AppError } from "../../runtime/base/errors.ts";

/** A section: its id, and where it is. */
export interface Section {
  readonly id: number;
  /** Of a custom section. */
  readonly name: string | undefined;
  /** Where the section begins, its id included. */
  readonly start: number;
  /** Where its content begins, after its id and size. */
  readonly content: number;
  /** Where what is in it begins: of a custom section after its name. */
  readonly data: number;
  readonly end: number;
}

/** The names of what a component imports and exports itself, versions included. */
export interface ComponentNames {
  readonly imports: readonly string[];
  readonly exports: readonly string[];
}

const MAGIC = [0x00, 0x61, 0x73, 0x6d];
/** How long the header of a module or component is. */
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

/** Module or component, by version and layer. @throws AppError WASM_INVALID */
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

/** How many sections there may be, of a component all that is nested in it included. Real ones have some hundreds. */
export const MAX_SECTIONS = 100_000;

/**
 * The sections of a module or component, in their order, not of what is nested in it. @throws AppError
 * WASM_INVALID, TOO_LARGE
 */
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

/** A core module without what the engine has no need of. */
export interface StrippedModule {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What the section `name` held, for the traces of crashes. */
  readonly names: Uint8Array<ArrayBuffer> | undefined;
}

/**
 * A core module without its custom sections, which say nothing to the engine and are most of many modules' bytes. The
 * names of functions are kept aside. The engine shows `name` in the traces of crashes.
 *
 * @param marks names of empty custom sections that it gets
 */
export function stripModule(bytes: Uint8Array, name: string, marks: readonly string[] = []): StrippedModule {
  const sections = readSections(bytes);
  const kept = sections.filter(({ id }) => id !== 0);
  const text = new TextEncoder().encode(name);
  if (text.length > 100) throw new RangeError(`"${name}" is too long a name`);
  // The section `name`, and in it the module's (subsection 0).
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

/** Whether a custom section means something to the compiler: names of functions, and types of a component. */
export function isKeptCustomSection(name: string): boolean {
  return name === "name" || name.startsWith("component-type");
}

/**
 * What a component asks for and offers, not what is nested in it.
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
 * What a core module imports, as `MODULE.NAME`, and the names of what it exports (core specification 5.5.5, 5.5.10).
 * The engine would tell too, but would compile the module first.
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
        reader.byte(); // of what sort
        reader.number();
      });
    }
  }
  return { imports, exports };
}

function skipImportType(reader: Reader): void {
  const kind = reader.byte();
  switch (kind) {
    case 0x00: // function, of a type
      reader.number();
      return;
    case 0x01: // table: what it holds, and its limits
      skipReferenceType(reader);
      skipLimits(reader);
      return;
    case 0x02:
      skipLimits(reader);
      return;
    case 0x03: // global: its type, and whether it can change
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

/** A value type: one byte, but for `ref` and `ref null`, which name a heap type. */
function skipReferenceType(reader: Reader): void {
  const type = reader.byte();
  if (type === 0x63 || type === 0x64) reader.number();
}

function skipLimits(reader: Reader): void {
  const flags = reader.byte();
  reader.wide();
  if ((flags & 1) !== 0) reader.wide();
}

/** As many locals as the largest real modules have, and some. Each costs the engine memory and time, but not a byte. */
const MAX_LOCALS = 20_000_000;

/**
 * Refuses what is small and costs much: functions of a module, or of the modules in a component, that declare more locals
 * together than any program has, and sections without end.
 *
 * @param inspect called with each function of a module: where its instructions begin, and end
 * @throws AppError TOO_LARGE, WASM_INVALID
 */
export function refuseBomb(bytes: Uint8Array, inspect: Inspect = () => {}): void {
  const { locals } = countParts(bytes, { sections: 0, locals: 0 }, 0, inspect);
  if (locals > MAX_LOCALS) {
    throw new AppError("TOO_LARGE", `Its functions declare ${locals} locals, more than ${MAX_LOCALS}`);
  }
}

/** Looks at a function of a module. */
type Inspect = (bytes: Uint8Array, start: number, end: number) => void;

/** How many things a core module may import: each costs at every start. Real ones import some dozens. */
const MAX_IMPORTS = 200_000;

/** Refuses a core module that imports more than any program. @throws AppError TOO_LARGE, WASM_INVALID */
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
 * Every name by which the parts of a component are joined, at every depth: of imports and exports, of
 * instances and their arguments, of aliases. What core modules name themselves is the engine's to tell.
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

/** Components of a composition are nested two or three deep. */
const MAX_DEPTH = 100;

/** The items of a section, which they fill. */
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
    if (instantiates) reader.number(); // which module
    return readList(reader, () => {
      const name = reader.text();
      reader.byte(); // of what sort
      reader.number();
      return name;
    });
  }).flat();
}

function readInstances(reader: Reader): string[] {
  return readSection(reader, () => {
    const instantiates = reader.byte() === 0x00;
    if (instantiates) reader.number(); // which component
    return readList(reader, () => {
      const name = instantiates ? reader.text() : readExternName(reader);
      skipSortAndIndex(reader);
      return name;
    });
  }).flat();
}

function readAliases(reader: Reader): string[] {
  return readSection(reader, () => {
    if (reader.byte() === 0x00) reader.byte(); // of what sort; core ones have a second byte
    const outer = reader.byte() === 0x02;
    reader.number();
    if (!outer) return [reader.text()];
    reader.number();
    return [];
  }).flat();
}

/** A name of an import or export, without its form. */
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

/** Reads between two offsets and never beyond. */
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

  /** Another reader that stands at the same place. */
  copy(): Reader {
    return new Reader(this.#bytes, this.#at, this.#end);
  }

  /** Goes on at an offset further on. */
  skip(length: number): void {
    if (this.#at + length > this.#end) throw invalid(`what begins at byte ${this.#at} leaves what it is in`);
    this.#at += length;
  }

  byte(): number {
    if (this.done) throw invalid(`it ends within something, at byte ${this.#at}`);
    return this.#bytes[this.#at++]!;
  }

  /** An unsigned number of 32 bits, in LEB128. */
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

  /** Passes over a number of up to 64 bits: memories and tables may have that many pages. */
  wide(): void {
    for (let length = 0; length < 10; length++) if (this.byte() < 0x80) return;
    throw invalid(`the number before byte ${this.#at} is too large`);
  }

  /** A name: its length and its UTF-8. */
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
