/**
 * What component_reader.ts knows about the parts of a component: structural types, the contents of instances, and the
 * size of each part when it is expanded. Pure.
 */

/** A type. Two types have the same number if and only if they have the same structure and the same resources. */
export interface Type {
  readonly number: number;
  /** Number of parts when all named types are expanded. Long labels count as more than one part. */
  readonly parts: number;
  /** Its components; undefined for a type without a structure to compare. */
  readonly made?: {
    readonly of: string;
    readonly types: readonly Type[];
    readonly labels: readonly string[];
  };
  /** Only for a component type. */
  readonly imports?: readonly (readonly [name: string, item: Item])[];
  /**
   * Only for a component or instance type: the exports of an instance. Its resources belong to the interface `owner`.
   */
  readonly items?: (owner?: string) => Items;
}

/** A named thing: a function, a type, an instance, … */
export interface Item {
  /** The component model's `sort` (Binary.md). */
  readonly sort: number;
  readonly type: Type;
  /** Only for an instance. */
  readonly items?: Items;
}

/** The contents of an instance. */
export interface Items {
  readonly map: ReadonlyMap<string, Item>;
  /** Size of the code that makes its functions callable from JavaScript. */
  readonly unfolded: Unfolded;
}

/** Expanded size. */
export interface Unfolded {
  /** Approximate bytes of JavaScript, without the code for types. */
  readonly bytes: number;
  /** Parts of types. */
  readonly parts: number;
  /** Core instances. */
  readonly instances: number;
  /** Memories that those instances define. */
  readonly memories: number;
}

/** Counts saturate at this value. */
export const CAP = 1e12;
export const NONE: Unfolded = { bytes: 0, parts: 0, instances: 0, memories: 0 };
/**
 * Approximate bytes that jco writes to make a function callable, without its types. jco writes the function's name
 * several times.
 */
const FUNCTION_BYTES = 2500;
const NAME_TIMES = 10;

/** The sum of two sizes. */
export function sum(one: Unfolded, other: Partial<Unfolded>): Unfolded {
  const of = (what: keyof Unfolded) => Math.min(CAP, one[what] + (other[what] ?? 0));
  return { bytes: of("bytes"), parts: of("parts"), instances: of("instances"), memories: of("memories") };
}

/** An instance with these items. */
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

/** A label up to this length costs nothing extra. */
const LABEL = 32;

/** Numbers types by their structure. */
export class TypeNumbers {
  #known = new Map<string, Type>();
  #next = 0;

  /** The type with these components, `times` times. Labels are names of the component model. */
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

  /** A resource, identified by its interface and its name there. */
  resource(owner: string, name: string): Type {
    return this.of(`resource ${owner}#${name}`);
  }

  /** A type that is equal to no other. */
  fresh(): Type {
    return { number: this.#next++, parts: 0 };
  }
}
