/** Finds the places of contexts in the text of a kubeconfig, with the YAML parser's nodes. Pure, but loads the parser. */

import type { Node, Pair, Scalar, YAMLMap, YAMLSeq } from "yaml";
import { goYamlOptions } from "../go_yaml.ts";

/** A mapping and where it is. */
export type Mapping = YAMLMap<Node, Node | null>;

/** The places in one text. */
export interface ContextNodes {
  readonly text: string;
  /** undefined if the document is empty. */
  readonly root: Mapping | undefined;
  /** The value of a key of a mapping, and the pair. */
  pair(map: Mapping, key: string): Pair<Node, Node | null> | undefined;
  isMap(node: unknown): node is Mapping;
  isSeq(node: unknown): node is YAMLSeq<Node>;
  isScalar(node: unknown): node is Scalar;
}

/** Reads a text's nodes; undefined if it has none that can be changed. */
export type ReadNodes = (text: string) => ContextNodes | undefined;

/** Loads the parser. */
export async function loadNodes(): Promise<ReadNodes> {
  const { parseAllDocuments, isMap, isSeq, isScalar } = await import("yaml");
  const isMapping = (node: unknown): node is Mapping => isMap(node);
  return (text) => {
    const documents = parseAllDocuments(text, { ...goYamlOptions, uniqueKeys: true });
    const document = "empty" in documents ? undefined : documents[0];
    if (document && document.errors.length > 0) return undefined;
    const root = document?.contents;
    if (root !== undefined && root !== null && !isMapping(root)) {
      return isScalar(root) && (root.value === null || root.value === "")
        ? { text, root: undefined, pair: () => undefined, isMap: isMapping, isSeq, isScalar }
        : undefined;
    }
    return {
      text,
      root: root ?? undefined,
      pair: (map, key) =>
        map.items.find((pair) => isScalar(pair.key) && pair.key.value === key) as
          | Pair<Node, Node | null>
          | undefined,
      isMap: isMapping,
      isSeq: (node): node is YAMLSeq<Node> => isSeq(node),
      isScalar,
    };
  };
}
