/**
 * YAML as kubectl and the API server read it (sigs.k8s.io/yaml over go-yaml 2): YAML 1.1 without its sexagesimal
 * numbers, and only the first of several documents. Pure, but loads the parser when it is needed.
 */

import type { DocumentOptions, ParseOptions, ScalarTag, SchemaOptions } from "yaml";

/** How {@linkcode parseGoYaml} handles cases on which parsers disagree. */
export interface YamlRules {
  /** Whether a duplicate key is an error. Otherwise the last value counts, as for kubectl. */
  readonly uniqueKeys: boolean;
  /** About how many times aliases may multiply the nodes they refer to. */
  readonly maxAliases: number;
}

const WORDS: Readonly<Record<string, boolean>> = {
  y: true,
  yes: true,
  true: true,
  on: true,
  n: false,
  no: false,
  false: false,
  off: false,
};

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

const TAGS: readonly ScalarTag[] = [
  {
    tag: "tag:yaml.org,2002:null",
    default: true,
    test: /^(?:~|null|Null|NULL)?$/,
    resolve: () => null,
  },
  {
    tag: "tag:yaml.org,2002:bool",
    default: true,
    test: /^(?:[yYnN]|yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$/,
    resolve: (text) => WORDS[text.toLowerCase()]!,
  },
  {
    tag: "tag:yaml.org,2002:int",
    default: true,
    test: /^[-+]?(?:0|[1-9][0-9_]*|0[bB][01_]+|0[oO]?[0-7_]+|0[xX][0-9a-fA-F_]+)$/,
    resolve: integer,
  },
  {
    tag: "tag:yaml.org,2002:float",
    default: true,
    test: /^[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?$/,
    resolve: (text) => Number(text.replaceAll("_", "")),
  },
  {
    tag: "tag:yaml.org,2002:binary",
    default: false,
    resolve: (text, onError) => {
      const digits = text.replace(/[\r\n]/g, "");
      if (!BASE64.test(digits)) {
        onError("!!binary holds no base64");
        return text;
      }
      return new TextDecoder().decode(Uint8Array.fromBase64(digits));
    },
  },
];

/** An exact integer: a number if it is safe, a bigint up to 64 bits, otherwise the nearest float. */
function integer(text: string): number | bigint {
  const plain = text.replaceAll("_", "").toLowerCase();
  const negative = plain.startsWith("-");
  const digits = plain.replace(/^[-+]/, "").replace(/^0(?=[0-7])/, "0o");
  const value = negative ? -BigInt(digits) : BigInt(digits);
  if (value >= -(2n ** 53n) && value <= 2n ** 53n) return Number(value);
  return value >= -(2n ** 63n) && value < 2n ** 64n ? value : Number(value);
}

/** A parser that is loaded: the first document; null if there is none. @throws the parser's error, with the line */
export type GoYaml = (text: string, rules: YamlRules) => unknown;

/** Loads the parser. */
export async function loadGoYaml(): Promise<GoYaml> {
  const { parseAllDocuments } = await import("yaml");
  return (text, { uniqueKeys, maxAliases }) => {
    const documents = parseAllDocuments(firstDocument(text), { ...goYamlOptions, uniqueKeys });
    const document = "empty" in documents ? undefined : documents[0];
    const [error] = document?.errors ?? [];
    if (error) throw error;
    return document?.toJS({ maxAliasCount: maxAliases }) ?? null;
  };
}

/** The parser's options for YAML as kubectl reads it. */
export const goYamlOptions: ParseOptions & DocumentOptions & SchemaOptions = {
  schema: "failsafe",
  customTags: (tags) => [...tags, ...TAGS, "merge"],
  merge: true,
  logLevel: "silent",
};

/**
 * The first document; null if there is none.
 *
 * @throws the parser's error, with the line in its message
 */
export async function parseGoYaml(text: string, rules: YamlRules): Promise<unknown> {
  return (await loadGoYaml())(text, rules);
}

/**
 * The first document with line ends that the parser knows. After a JSON document another may follow without `---`;
 * go-yaml does not look at it.
 */
function firstDocument(text: string): string {
  const lines = text.replace(/\r\n?/g, "\n");
  if (!/^\s*[{[]/.test(lines)) return lines;
  let depth = 0;
  for (const { 0: token, index } of lines.matchAll(/"(?:[^"\\]|\\.)*"|'[^']*'|#[^\n]*|[{}[\]]/gs)) {
    if (/^[{[]/.test(token)) depth++;
    else if (/^[}\]]/.test(token) && --depth === 0) return lines.slice(0, index + 1);
  }
  return lines;
}
