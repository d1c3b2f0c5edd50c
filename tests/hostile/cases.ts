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
import { SPELLINGS } from "./cases/spellings.ts";
import { STORE } from "./cases/store.ts";
import { TERMINAL } from "./cases/terminal.ts";

/** The groups for every home directory. */
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

/** All groups, including those for other file systems (case_insensitive_test.ts). */
export const ALL_GROUPS: readonly Group[] = GROUPS.flatMap((group) =>
  group === PROTECTED ? [group, SPELLINGS] : [group]
);
