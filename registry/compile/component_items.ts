/**
 * What component_reader.ts knows of the parts of a component: types that are told by their structure, what instances hold,
 * and how much each would be where it is written out. Pure.
 */

/** A type. Two are of the same structure, of the same resources, if and only if they have the same number. */
export interface Type {
  readonly number: number;
  /** How many parts it has when all that it names is written out; long labels count for more than one. */
  readonly parts: number;
  /** What it is made of; undefined for what has no structure to compare. */
  readonly made?: {
    readonly of: string;
    readonly types: readonly Type[];
    readonly labels: readonly string[];
  };
  /** Of a component type. */
  readonly imports?: readonly (readonly [name: string, item: Item])[];
  /** Of a component or instance type: what one of it exports, its resources being those of the interface `owner`. */
  readonly items?: (owner?: string) => Items;
}

/** Something that has a name: a function, a type, an instance, … */
export interface Item {
  /** Component model, Binary.md, `sort`. */
  readonly sort: number;
  readonly type: Type;
  /** Of an instance. */
  readonly items?: Items;
}

/** What an instance holds. */
export interface Items {
  readonly map: ReadonlyMap<string, Item>;
  /** How much its functions are, made callable for JavaScript. */
  readonly unfolded: Unfolded;
}

/** How much something is when it is written out. */
export interface Unfolded {
  /** Bytes of JavaScript, about, without those for types. */
  readonly bytes: number;
  /** Parts of types. */
  readonly parts: number;
  /** Core instances. */
  readonly instances: number;
  /** Memories that those have of their own. */
  readonly memories: number;
}

/** No more than this is counted. */
export const CAP = 1e12;
export const NONE: Unfolded = { bytes: 0, parts: 0, instances: 0, memories: 0 };
/** What jco writes to make a function callable, without its types; its name is written some times. */
const FUNCTION_BYTES = 2500;
const NAME_TIMES = 10;

/** All of two. */
export function sum(one: Unfolded, other: Partial<Unfolded>): Unfolded {
  const of = (what: keyof Unfolded) => Math.min(CAP, one[what] + (other[what] ?? 0));
  return { bytes: of("bytes"), parts: of("parts"), instances: of("instances"), memories: of("memories") };
}

/** An instance of these. */
export function itemsOf(map: ReadonlyMap<string, Item>): Items {
  let unfolded = NONE;
  for (const [name, { type, items }] of map) {
    if (items) unfolded = sum(unfolded, items.unfolded);
    else if (type.made?.of.endsWith("func")) {
      unfolded = sum(unfolded, { bytes: FUNCTION_BYTES + NAME_TIMES * name.length, parts: type.parts });
    }
  }
  return { map, unfolded };
}

/** How long a label may be to count for nothing. */
const LABEL = 32;

/** Types by their structure. */
export class TypeNumbers {
  #known = new Map<string, Type>();
  #next = 0;

  /** The type that is made of these, as often as `times` says. Labels are names of the component model. */
  of(of: string, types: readonly Type[] = [], labels: readonly string[] = [], times = 1): Type {
    const key = `${of}(${
      types.map(({ number }, index) => labels.length > 0 ? `${labels[index]}:${number}` : number).join()
    })`;
    const known = this.#known.get(key);
    if (known) return known;
    let parts = 1;
    if (!/^(?:own|borrow)$/.test(of)) { for (const type of types) parts += type.parts * times; }
    for (const label of labels) parts += Math.floor(label.length / LABEL);
    const type = { number: this.#next++, parts: Math.min(CAP, parts), made: { of, types, labels } };
    this.#known.set(key, type);
    return type;
  }

  /** A resource by the interface it is of, and its name there. */
  resource(owner: string, name: string): Type {
    return this.of(`resource ${owner}#${name}`);
  }

  /** What is the same as nothing else. */
  fresh(): Type {
    return { number: this.#next++, parts: 0 };
  }
}
