/**
 * Parses method, path and query into verb, group, resource, name and namespace, exactly as k8s.io/apiserver does
 * before it authorizes (pkg/endpoints/request, RequestInfoFactory; queries as Go's net/url). Tests compare it with
 * the audit log of a real server. Pure.
 */

/** A request in RBAC's terms. Missing parts are empty. */
export interface RequestInfo {
  /** Whether it is a resource request. Otherwise only `path` and `verb`, the method in lower case, are set. */
  readonly isResource: boolean;
  /** Decoded, relative to the server's own path. */
  readonly path: string;
  readonly verb: string;
  readonly apiGroup: string;
  readonly apiVersion: string;
  readonly namespace: string;
  readonly resource: string;
  readonly subresource: string;
  readonly name: string;
}

/** A request that cannot be parsed. The API server refuses it as well. */
export class MeaninglessRequest extends Error {}

const VERBS: Readonly<Record<string, string>> = {
  POST: "create",
  GET: "get",
  HEAD: "get",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};

/** More parameters than any client sends. Go stops parsing at ten thousand. */
const MAX_PARAMETERS = 1000;

/**
 * @param method in upper case
 * @param path as it is sent, percent-encoded, below the server's own path; free of dot segments, doubled and encoded slashes
 * (`destinationOf` refuses those)
 * @param query as it is sent, without its question mark
 * @throws MeaninglessRequest
 */
export function parseRequest(method: string, path: string, query: string): RequestInfo {
  const decoded = decodePath(path);
  const other = (verb: string): RequestInfo => ({
    isResource: false,
    path: decoded,
    verb,
    apiGroup: "",
    apiVersion: "",
    namespace: "",
    resource: "",
    subresource: "",
    name: "",
  });
  let parts = decoded.replace(/^\/+|\/+$/g, "").split("/");
  const prefix = parts[0];
  if (parts.length < 3 || prefix !== "api" && prefix !== "apis") return other(method.toLowerCase());
  parts = parts.slice(1);
  let apiGroup = "";
  if (prefix === "apis") {
    if (parts.length < 3) return other(method.toLowerCase());
    apiGroup = parts[0]!;
    parts = parts.slice(1);
  }
  const apiVersion = parts[0]!;
  parts = parts.slice(1);
  let verb = VERBS[method] ?? "";
  // Deprecated, but still served: the verb in the path.
  if (parts[0] === "proxy" || parts[0] === "watch") {
    if (parts.length < 2) throw new MeaninglessRequest(`"${decoded}" names no resource`);
    verb = parts[0];
    parts = parts.slice(1);
  }
  let namespace = "";
  if (parts[0] === "namespaces" && parts.length > 1) {
    namespace = parts[1]!;
    // These belong to the namespace itself; anything else is a resource in it.
    if (parts.length > 2 && parts[2] !== "status" && parts[2] !== "finalize") parts = parts.slice(2);
  }
  const resource = parts[0] ?? "";
  let name = parts[1] ?? "";
  const subresource = verb === "proxy" ? "" : parts[2] ?? "";
  if (name === "" && verb === "get") {
    const parameters = parseQuery(query);
    verb = isWatch(parameters) ? "watch" : "list";
    name = selectedName(parameters.get("fieldSelector")?.[0]) ?? "";
  }
  if (name === "" && verb === "delete") verb = "deletecollection";
  return {
    isResource: true,
    path: decoded,
    verb,
    apiGroup,
    apiVersion,
    namespace,
    resource,
    subresource,
    name,
  };
}

/** Percent-decodes as Go does. @throws MeaninglessRequest for an escape that Go refuses, and for invalid UTF-8 */
function decodePath(path: string): string {
  try {
    return path.includes("%") ? decodeURIComponent(path) : path;
  } catch {
    throw new MeaninglessRequest(`"${path}" is not a path`);
  }
}

/**
 * A query's parameters as Go's `url.URL.Query()` returns them. Parts with a semicolon or a broken escape are left
 * out; a plus is a space.
 *
 * @throws MeaninglessRequest for too many parameters
 */
export function parseQuery(query: string): ReadonlyMap<string, readonly string[]> {
  const parameters = new Map<string, string[]>();
  if (query === "") return parameters;
  const parts = query.split("&", MAX_PARAMETERS + 1);
  if (parts.length > MAX_PARAMETERS) throw new MeaninglessRequest("its query has too many parameters");
  for (const part of parts) {
    if (part === "" || part.includes(";")) continue;
    const equals = part.indexOf("=");
    const name = unescape(equals < 0 ? part : part.slice(0, equals));
    const value = unescape(equals < 0 ? "" : part.slice(equals + 1));
    if (name === undefined || value === undefined) continue;
    const values = parameters.get(name);
    if (values) values.push(value);
    else parameters.set(name, [value]);
  }
  return parameters;
}

function unescape(text: string): string | undefined {
  if (!/[%+]/.test(text)) return text;
  if (/%(?![0-9a-fA-F]{2})/.test(text)) return undefined;
  const spaced = text.replaceAll("+", " ");
  try {
    return decodeURIComponent(spaced);
  } catch {
    // Go keeps bytes that are not UTF-8. Here they only must not equal any name.
    return spaced.replace(/%[89a-f][0-9a-f]/gi, "\ufffd").replace(
      /%([0-7][0-9a-f])/gi,
      (_, hex) => String.fromCharCode(parseInt(hex, 16)),
    );
  }
}

/** apimachinery's Convert_Slice_string_To_bool: the first value counts, and it is true unless it says false. */
function isWatch(parameters: ReadonlyMap<string, readonly string[]>): boolean {
  const value = parameters.get("watch")?.[0];
  return value !== undefined && value !== "0" && value.toLowerCase() !== "false";
}

/**
 * The single name that a field selector asks for (apimachinery's fields.ParseSelector and RequiresExactMatch). A
 * malformed selector has none; the server refuses it later.
 */
function selectedName(selector: string | undefined): string | undefined {
  if (!selector) return undefined;
  const terms: string[] = [];
  let start = 0;
  for (let index = 0; index < selector.length; index++) {
    if (selector[index] === "\\") index++;
    else if (selector[index] === ",") {
      terms.push(selector.slice(start, index));
      start = index + 1;
    }
  }
  terms.push(selector.slice(start));
  let found: string | undefined;
  for (const term of terms.sort()) {
    if (term === "") continue;
    const operator = /!=|==|=/.exec(term);
    if (!operator) return undefined;
    const value = unescapeValue(term.slice(operator.index + operator[0].length));
    if (value === undefined) return undefined;
    if (operator[0] !== "!=" && term.slice(0, operator.index) === "metadata.name") found ??= value;
  }
  const isName = found !== undefined && found !== "." && found !== ".." && !/[/%]/.test(found);
  return isName ? found : undefined;
}

function unescapeValue(value: string): string | undefined {
  if (/(?:^|[^\\])(?:\\\\)*[,=]/.test(value)) return undefined;
  if (/^(?:[^\\]|\\[\\,=])*$/s.test(value)) return value.replace(/\\([\\,=])/g, "$1");
  return undefined;
}
