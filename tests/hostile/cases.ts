/** All cases, in the order of the table. */

import type { Group } from "./case.ts";
import { ENVIRONMENT } from "./cases/environment.ts";
import { FILES } from "./cases/files.ts";
import { NETWORK } from "./cases/network.ts";
import { STORE } from "./cases/store.ts";

/** The groups. */
export const GROUPS: readonly Group[] = [FILES, STORE, ENVIRONMENT, NETWORK];
