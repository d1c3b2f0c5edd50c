/** What a broker learns at its start, before the plugin's. It cannot change afterwards. */

import { AppError } from "../../base/errors.ts";
import type { Grants } from "../../grants/grants.ts";
import type { Judged } from "../../policy/verdict.ts";
import type { Mount } from "../types.ts";
import { VERSION } from "../../base/version.ts";
import type { RenewedFile } from "./renewed.ts";

/** What a broker knows. Plain data. */
export interface BrokerContext {
  /** krew-wasm's version. Run and broker must have the same. */
  readonly version: string;
  /** The process of the run. */
  readonly pid: number;
  readonly plugin: string;
  /** argv, the program's name first. */
  readonly args: readonly string[];
  readonly installed: boolean;
  readonly grants: Grants;
  readonly home: string;
  readonly cwd: string;
  /** The root of the store. */
  readonly root: string;
  /** The bounds for this plugin; undefined if there are none. */
  readonly bounds: { readonly judged: Judged; readonly policy: string } | undefined;
  /** Whether the broker may ask a person. */
  readonly asks: boolean;
  readonly files: FileFacts;
  /** The paths of the kubeconfigs in kubectl's order, whether or not they exist. */
  readonly kubeconfigs: readonly string[];
  /** The kubeconfigs and the files that they name, texts by path. */
  readonly texts: readonly (readonly [path: string, text: string])[];
  /** Files that the broker may read again. */
  readonly renewed: readonly RenewedFile[];
}

/** What a broker needs to know about the run's files. */
export interface FileFacts {
  /** The directories that the plugin sees at its start. */
  readonly mounts: readonly Mount[];
  readonly overlaid: readonly string[];
  readonly protectedPaths: readonly string[];
  readonly unprotectedPaths: readonly string[];
  readonly deniedPaths: readonly string[];
  readonly deniedWrites: readonly string[];
}

/** The context as text. */
export function formatContext(context: BrokerContext): string {
  return JSON.stringify(context, (_, value) => value instanceof Map ? { map: [...value] } : value);
}

/** The reverse of {@linkcode formatContext}. @throws AppError INTERNAL for another version's context */
export function parseContext(text: string): BrokerContext {
  const context = JSON.parse(
    text,
    (_, value) => Array.isArray(value?.map) && Object.keys(value).length === 1 ? new Map(value.map) : value,
  ) as BrokerContext;
  if (context.version !== VERSION) {
    throw new AppError("INTERNAL", `krew-wasm ${context.version} was replaced by ${VERSION} while it ran`, {
      hint: "start it again",
    });
  }
  return context;
}
