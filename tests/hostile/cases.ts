/** All cases, in the order of the table. */

import type { Group } from "./case.ts";
import { CLUSTER } from "./cases/cluster.ts";
import { CODE } from "./cases/code.ts";
import { ENVIRONMENT } from "./cases/environment.ts";
import { FILES } from "./cases/files.ts";
import { GRANT_PATHS } from "./cases/grant_paths.ts";
import { HOST } from "./cases/host.ts";
import { NETWORK } from "./cases/network.ts";
import { PROTECTED } from "./cases/protected.ts";
import { SHELL } from "./cases/shell.ts";
import { STORE } from "./cases/store.ts";
import { TERMINAL } from "./cases/terminal.ts";

/** The groups. */
export const GROUPS: readonly Group[] = [
  FILES,
  GRANT_PATHS,
  PROTECTED,
  STORE,
  ENVIRONMENT,
  NETWORK,
  CLUSTER,
  TERMINAL,
  SHELL,
  CODE,
  HOST,
];
