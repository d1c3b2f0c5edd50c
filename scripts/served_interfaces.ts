/** Makes the table of all interfaces that a plugin may import, from wit/, for registry/compile/served_interfaces.ts. */

import { fileURLToPath } from "node:url";
import { componentEmbed } from "@bytecodealliance/jco-transpile/wasm-tools";
import type { Item, Type } from "../registry/compile/component_items.ts";
import { readComponent } from "../registry/compile/component_reader.ts";
import { readSections } from "../registry/compile/wasm_reader.ts";

/** Unstable features of wit/ that krew-wasm serves. */
const FEATURES = ["network-error-code"];
const FUNCTION = 0x01;
const TYPE = 0x03;

/** The table as the text of a module. The caller must give preview2-shim the file system. */
export async function servedInterfaces(): Promise<string> {
  const imports = await readWorld();
  const types: Type[] = [];
  const places = new Map<number, number>();
  const placeOf = (type: Type): number => {
    const known = places.get(type.number);
    if (known !== undefined) return known;
    if (!type.made) throw new Error("wit/ has a type without a structure");
    type.made.types.forEach(placeOf);
    places.set(type.number, types.push(type) - 1);
    return types.length - 1;
  };
  const interfaces = imports.map(([name, { items }]) => {
    const of = (sort: number) =>
      [...items!.map].filter(([, item]) => item.sort === sort)
        .map(([name, { type }]) => `      ${JSON.stringify(name)}: ${placeOf(type)},\n`).join("");
    const other = [...items!.map].find(([, { sort }]) => sort !== FUNCTION && sort !== TYPE);
    if (other) throw new Error(`${name} has something that is neither a function nor a type: ${other[0]}`);
    return `  ${JSON.stringify(name)}: {\n    types: {\n${of(TYPE)}    },\n    functions: {\n${
      of(FUNCTION)
    }    },\n  },\n`;
  });
  const made = types.map(({ made }, place) => {
    const { of, types, labels } = made!;
    const parts = types.map(({ number }) => places.get(number));
    return `  /* ${place} */ ${JSON.stringify(labels.length > 0 ? [of, parts, labels] : [of, parts])},\n`;
  });
  return `/** The types of all interfaces that a plugin may import, from wit/. Made by \`deno task wit\`. */

/** Types by number: the kind, the types that it consists of, and its labels. */
export const TYPES: readonly (readonly [of: string, types: readonly number[], labels?: readonly string[]])[] = [
${made.join("")}];

/** Interfaces with their version: types and functions, each with the number of its type. */
export const INTERFACES: Readonly<
  Record<string, { readonly types: Readonly<Record<string, number>>; readonly functions: Readonly<Record<string, number>> }>
> = {
${interfaces.join("")}};
`;
}

/** The imports of the world `plugin`. */
async function readWorld(): Promise<readonly (readonly [name: string, item: Item])[]> {
  const module = await componentEmbed({
    dummy: true,
    witPath: fileURLToPath(new URL("../wit", import.meta.url)),
    world: "plugin",
    features: { tag: "list", val: FEATURES },
  });
  // The WIT package is a component type in a component type in a component.
  const section = readSections(module).find(({ name }) => name?.startsWith("component-type"))!;
  const report = readComponent(module.subarray(section.data, section.end));
  const [packaged] = report.exports.map.values();
  const [world] = packaged!.type.items!().map.values();
  return world!.type.imports!;
}
