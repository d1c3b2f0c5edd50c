/**
 * Grants in the JSON of receipts, lock files, bundles and `-o json`. Every field is required, and unknown fields are
 * errors, so that a misspelt denial never counts as no denial. Pure.
 */

import { canonicalPath } from "../base/canonical_path.ts";
import {
  type Denials,
  type EnvGrant,
  type FileGrant,
  type Grants,
  type KubeconfigGrant,
  LEAST,
  type Limits,
} from "./grants.ts";
import { readListen } from "./listen_grant.ts";
import { type ClusterGrant, type ClusterRule, parseRules } from "../kube/allow/rules.ts";
import {
  boolean,
  defaultTo,
  integer,
  list,
  malformed,
  nullable,
  object,
  optional,
  type Reader,
  text,
  word,
} from "../base/strict_json.ts";

/**
 * `present`: the form that krew-wasm writes. `former`: receipts of format 2, and lock files and bundles of format 1, which
 * omit the empty fields of a cluster rule.
 */
export type GrantsForm = "present" | "former";

/** Grants as JSON. */
export function grantsToJson(grants: Grants): Record<string, unknown> {
  const { files, home, env, kubeconfig, cluster, listen, terminal, completion, limits, deny } = grants;
  return {
    files: files.map(({ host, guest, write, directory = null, real = null }) => ({
      host,
      guest,
      write,
      directory,
      real,
    })),
    home,
    env,
    kubeconfig,
    cluster: typeof cluster === "string"
      ? cluster
      : { rules: cluster.rules.map(ruleToJson), readOnly: cluster.readOnly ?? false },
    listen,
    terminal,
    completion,
    limits,
    deny: {
      ...deny,
      cluster: typeof deny.cluster === "boolean" ? deny.cluster : deny.cluster.map(ruleToJson),
    },
  };
}

function ruleToJson(rule: ClusterRule): Record<keyof ClusterRule, readonly string[] | null> {
  const { verbs, apiGroups, resources, resourceNames, namespaces, nonResourceURLs } = rule;
  return {
    verbs,
    apiGroups: apiGroups ?? null,
    resources: resources ?? null,
    resourceNames: resourceNames ?? null,
    namespaces: namespaces ?? null,
    nonResourceURLs: nonResourceURLs ?? null,
  };
}

/** The reverse of {@linkcode grantsToJson}. @throws Error with the field's path */
export function grantsFromJson(json: unknown, form: GrantsForm = "present", path = "grants"): Grants {
  return (form === "present" ? PRESENT : FORMER)(json, path);
}

const names = list(text());
const variables = list(text(/^[^=,*\u0000-\u001f\u007f]+$/, "is not the name of a variable"));
/** An absolute host path in canonical form. */
const hostPath: Reader<string> = (value, path) =>
  typeof value === "string" && canonicalPath(value) === value
    ? value
    : malformed(path, "is not an absolute path without //, /./, /../ and a slash at the end");
const guestPath = text(/^[^\0]+$/, "is not a path");

const env: Reader<EnvGrant> = (value, path) =>
  value === "default" || value === "all"
    ? value
    : Array.isArray(value)
    ? variables(value, path)
    : malformed(path, 'is neither "default" nor "all" nor a list of names');

/** Reads `true`, `false` or `"switch"`. */
export const kubeconfigGrant: Reader<KubeconfigGrant> = (value, path) =>
  value === "switch" ? value : boolean(value, path);

const limits = object<Limits>({ maxMemory: integer(1), descriptors: integer(1) });

const presentRule = object<Record<keyof ClusterRule, unknown>>({
  verbs: names,
  apiGroups: nullable(list(text(/^[^]*$/))),
  resources: nullable(names),
  resourceNames: nullable(names),
  namespaces: nullable(names),
  nonResourceURLs: nullable(names),
});

function rules(form: GrantsForm): Reader<ClusterRule[]> {
  return (value, path) => {
    if (!Array.isArray(value)) return malformed(path, value === undefined ? "is missing" : "is not a list");
    if (form === "present") value.forEach((rule, index) => presentRule(rule, `${path}[${index}]`));
    try {
      return parseRules({ rules: value });
    } catch (error) {
      throw new Error((error as Error).message.replace(/^rules/, path));
    }
  };
}

function cluster(form: GrantsForm): Reader<ClusterGrant> {
  const words = word("none", "read-only", "full");
  const readOnly = form === "present" ? boolean : optional(boolean);
  const byRules = object<{ rules: readonly ClusterRule[]; readOnly: boolean }>({
    rules: rules(form),
    readOnly,
  });
  return (value, path) => {
    if (typeof value !== "object" || value === null) return words(value, path);
    const read = byRules(value, path);
    return read.readOnly ? read : { rules: read.rules };
  };
}

/**
 * Grants or denials. Those of older versions lack fields, which then have their value for every plugin: `completion` in
 * former forms, `listen` in all.
 */
function withDefaults<T extends { readonly completion: boolean; readonly listen: unknown }>(
  form: GrantsForm,
  fields: Parameters<typeof object<Omit<T, "completion" | "listen">>>[0],
  listen: Reader<T["listen"]>,
  defaults: Pick<T, "completion" | "listen">,
): Reader<T> {
  const read = form === "present"
    ? object({ ...fields, completion: boolean, listen: defaultTo(listen, defaults.listen) } as never)
    : object<Omit<T, "completion" | "listen">>(fields);
  return (value, path) => ({ ...defaults, ...read(value, path) }) as T;
}

function denials(form: GrantsForm): Reader<Denials> {
  const ofRules = rules(form);
  return withDefaults<Denials>(
    form,
    {
      read: list(hostPath),
      write: list(hostPath),
      home: boolean,
      env: (value, path) => value === "all" ? value : variables(value, path),
      kubeconfig: boolean,
      cluster: (value, path) => typeof value === "boolean" ? value : ofRules(value, path),
      terminal: boolean,
    },
    boolean,
    { completion: LEAST.deny.completion, listen: LEAST.deny.listen },
  );
}

function files(form: GrantsForm): Reader<FileGrant[]> {
  const [directory, real] = [nullable(boolean), nullable(hostPath)];
  const read = object<Required<FileGrant>>({
    host: hostPath,
    guest: guestPath,
    write: boolean,
    directory: form === "present" ? directory : optional(directory),
    real: form === "present" ? real : optional(real),
  } as never);
  return list((value, path): FileGrant => {
    const { host, guest, write, directory, real } = read(value, path) as FileGrant;
    return {
      host,
      guest,
      write,
      ...(directory === undefined ? {} : { directory }),
      ...(real === undefined ? {} : { real }),
    };
  });
}

function grants(form: GrantsForm): Reader<Grants> {
  return withDefaults<Grants>(
    form,
    {
      files: files(form),
      home: boolean,
      env,
      kubeconfig: form === "present" ? kubeconfigGrant : boolean,
      cluster: cluster(form),
      terminal: boolean,
      limits,
      deny: denials(form),
    },
    readListen,
    { completion: LEAST.completion, listen: LEAST.listen },
  );
}

const PRESENT = grants("present");
const FORMER = grants("former");
