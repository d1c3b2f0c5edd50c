/** What a broker is told when it is started, before the plugin: nothing of it can be changed any more. */

import { AppError } from "../../base/errors.ts";
import type { Grants } from "../../grants/grants.ts";
import type { Judged } from "../../policy/verdict.ts";
import type { Mount } from "../types.ts";
import { VERSION } from "../../base/version.ts";
import type { RenewedFile } from "./renewed.ts";

/** The facts. Plain data. */
export interface BrokerContext {
  /** Of krew-wasm: another one would not be understood. */
  readonly version: string;
  /** The run's process. */
  readonly pid: number;
  readonly plugin: string;
  /** argv, the program's name first. */
  readonly args: readonly string[];
  readonly installed: boolean;
  readonly grants: Grants;
  readonly home: string;
  readonly cwd: string;
  /** Of the store. */
  readonly root: string;
  /** Whose bounds hold; undefined where there are none. */
  readonly bounds: { readonly judged: Judged; readonly policy: string } | undefined;
  /** A person may be asked. */
  readonly asks: boolean;
  readonly files: FileFacts;
  /** The kubeconfigs and what they name, texts by path. */
  readonly texts: readonly (readonly [path: string, text: string])[];
  /** Files that may be read again. */
  readonly renewed: readonly RenewedFile[];
}

/** What of the run's files a broker has to know. */
export interface FileFacts {
  /** What the plugin sees from the beginning. */
  readonly mounts: readonly Mount[];
  readonly overlaid: readonly string[];
  readonly protectedPaths: readonly string[];
  readonly unprotectedPaths: readonly string[];
  readonly deniedPaths: readonly string[];
  readonly deniedWrites: readonly string[];
}

/** As a text. */
export function formatContext(context: BrokerContext): string {
  return JSON.stringify(context, (_, value) => value instanceof Map ? { map: [...value] } : value);
}

/** The other way round. @throws AppError INTERNAL for that of another version */
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
