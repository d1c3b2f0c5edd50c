/**
 * Restricts what a component's JavaScript can reach on the host's objects. jco calls any property by name, so the
 * objects have only WIT's names. They have no prototype. A resource's methods are those of its class, which inherits
 * nothing from JavaScript. The class itself has only the constructor if WIT has one, the static functions, and what
 * `instanceof` needs.
 *
 * So the public names of interfaces and resource classes are exactly WIT's. A test compares them.
 */

// deno-lint-ignore no-explicit-any -- each function has WIT's parameters
type Callable = (...args: any[]) => unknown;
// deno-lint-ignore no-explicit-any
type Class = abstract new (...args: any[]) => object;

/** Interfaces by name, each with its functions and resource classes. */
export type Interfaces = Readonly<Record<string, Readonly<Record<string, Callable | Class>>>>;

/** A static property of a resource class with a WIT constructor. */
export const CONSTRUCTED = Symbol("constructed");

/** Seals the interfaces: objects with their own names only. The classes inherit nothing from now on. */
export function sealed(interfaces: Interfaces): object {
  return bareObject(
    Object.entries(interfaces).map(([name, members]) => [
      name,
      bareObject(
        Object.entries(members).map(([member, value]) => [
          member,
          isClass(value) ? resource(value) : bare((...args) => value(...args)),
        ]),
      ),
    ]),
  );
}

function isClass(value: Callable | Class): value is Class {
  return Object.getOwnPropertyDescriptor(value, "prototype")?.writable === false;
}

/** The restricted form of a resource class. */
function resource(of: Class): Callable {
  inheritNothing(of.prototype);
  const make = CONSTRUCTED in of ? of as unknown as new (...args: unknown[]) => object : undefined;
  const restricted = function (...args: unknown[]): object {
    if (!make) throw new WebAssembly.RuntimeError("it makes a resource that has no constructor");
    return new make(...args);
  };
  restricted.prototype = of.prototype;
  for (const name of Object.getOwnPropertyNames(of)) {
    const value = (of as unknown as Record<string, unknown>)[name];
    if (typeof value === "function") {
      Object.assign(restricted, { [name]: bare((...args) => value.apply(of, args)) });
    }
  }
  return bare(restricted);
}

/** Hides the properties that methods' objects inherit: `constructor`, `toString`, `isPrototypeOf`, … */
function inheritNothing(prototype: object): void {
  for (let at = prototype; !Object.isFrozen(at);) {
    const next: object | null = Object.getPrototypeOf(at);
    delete (at as { constructor?: unknown }).constructor;
    const last = next === null || next === Object.prototype;
    if (last) Object.setPrototypeOf(at, null);
    Object.freeze(at);
    if (last) return;
    at = next;
  }
}

/** Hides the properties that functions inherit: `bind`, `call`, `constructor`, … */
function bare(value: Callable): Callable {
  for (const name of ["name", "length"]) delete (value as unknown as Record<string, unknown>)[name];
  return Object.freeze(Object.setPrototypeOf(value, null));
}

function bareObject(entries: readonly (readonly [name: string, value: unknown])[]): object {
  const object = Object.create(null);
  for (const [name, value] of entries) object[name] = value;
  return Object.freeze(object);
}
