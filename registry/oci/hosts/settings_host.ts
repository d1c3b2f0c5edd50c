/** The system from which the configuration of registries is read. */

import { AppError } from "../../../runtime/base/errors.ts";
import { printable } from "../../../runtime/base/text.ts";
import { whyChangeable } from "../../../runtime/policy/owned_file.ts";
import { readOptionalFile } from "../optional_file.ts";

/** The functions that reading the configuration needs from the system. */
export interface HostsHost {
  readonly env: (name: string) => string | undefined;
  /** undefined if the file does not exist. @throws AppError REGISTRIES_INVALID */
  readonly readFile: (path: string) => string | undefined;
  /** Names in a directory, in order; none if it does not exist. */
  readonly readDirectory: (path: string) => readonly string[];
  /** Whether only the administrator can change a file and every part of its resolved path. */
  readonly isAdministrators: (path: string) => boolean;
  /** Whether a host answers HTTPS. */
  readonly speaksHttps: (host: string) => Promise<boolean>;
}

/** The functions for the real process. */
export function processHosts(speaksHttps: HostsHost["speaksHttps"]): HostsHost {
  return {
    env: (name) => Deno.env.get(name),
    readFile: (path) => readOptionalFile(path, "REGISTRIES_INVALID"),
    readDirectory: (path) => {
      try {
        return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
      } catch {
        return [];
      }
    },
    isAdministrators: (path) => whyChangeable(path) === undefined,
    speaksHttps,
  };
}

/** The error for a file of the configuration. */
export function registriesInvalid(path: string, what: string, hint: string): AppError {
  return new AppError(
    "REGISTRIES_INVALID",
    `"${printable(path, 300)}" can't be used: ${printable(what, 300)}`,
    {
      hint,
    },
  );
}
