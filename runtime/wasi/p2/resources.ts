/**
 * What a component's JavaScript gets of the host. jco calls whatever stands under a name: nothing stands there but what WIT
 * names. The objects have no prototype; a resource's methods are those of its class, which inherits nothing of JavaScript's;
 * of the class itself there is no more than what makes a resource, where WIT has a constructor, its static functions, and
 * what tells a resource by `instanceof`.
 *
 * So the public names of a resource's class, and of an interface, are WIT's and no others; a test compares them.
 */

// deno-lint-ignore no-explicit-any -- each function has the parameters that WIT gives it
type Callable = (...args: any[]) => unknown;
// deno-lint-ignore no-explicit-any
type Class = abstract new (...args: any[]) => object;

/** Interfaces by name: the functions and the resources' classes of each. */
export type Interfaces = Readonly<Record<string, Readonly<Record<string, Callable | Class>>>>;

/** A static property of a resource's class that a component may make one of: WIT has a constructor. */
export const CONSTRUCTED = Symbol("constructed");

/** The interfaces, as objects that hold their own names only. The classes inherit nothing from now on. */
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

/** What stands for the resources of a class. */
function resource(of: Class): Callable {
  inheritNothing(of.prototype);
  const make = CONSTRUCTED in of ? of as unknown as new (...args: unknown[]) => object : undefined;
  const door = function (...args: unknown[]): object {
    if (!make) throw new WebAssembly.RuntimeError("it makes a resource that has no constructor");
    return new make(...args);
  };
  door.prototype = of.prototype;
  for (const name of Object.getOwnPropertyNames(of)) {
    const value = (of as unknown as Record<string, unknown>)[name];
    if (typeof value === "function") {
      Object.assign(door, { [name]: bare((...args) => value.apply(of, args)) });
    }
  }
  return bare(door);
}

/** Leaves a class's methods without what all objects have: `constructor`, `toString`, `isPrototypeOf`, … */
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

/** Leaves a function without what all functions have: `bind`, `call`, `constructor`, … */
function bare(value: Callable): Callable {
  for (const name of ["name", "length"]) delete (value as unknown as Record<string, unknown>)[name];
  return Object.freeze(Object.setPrototypeOf(value, null));
}

function bareObject(entries: readonly (readonly [name: string, value: unknown])[]): object {
  const object = Object.create(null);
  for (const [name, value] of entries) object[name] = value;
  return Object.freeze(object);
}
