/**
 * Where a run may connect to, before anything is parsed: the API servers and proxies that the kubeconfig, the flags and the
 * environment name. Which of them it will be is told when the cluster is first used (access.ts).
 */

import type { ConnectionFlags } from "./kubectl_flags.ts";

/** A host, an address without brackets or a name, and its port. */
export interface Place {
  readonly hostname: string;
  readonly port: number;
}

/** Keys of a kubeconfig that name a place. */
const PLACE_KEY = /(?:^|[\s"'{,])(?:server|proxy-url)["']?\s*:/g;
/** The same in JSON, with no escapes in the value. */
const PLACE_IN_JSON = /"(?:server|proxy-url)"\s*:\s*"([^"\\\n]+)"/g;
/** The same, on a line of its own with a plain or quoted value: how kubectl, minikube, kind and clouds write it. */
const PLACE_LINE =
  /^[ \t]*(?:- )?["']?(?:server|proxy-url)["']?[ \t]*:[ \t]+(?:"([^"\\\n]+)"|'([^'\n]+)'|([A-Za-z0-9[][^\s"'{},]*))[ \t\r]*(?:[ \t]#.*)?$/gm;

const PORTS: Readonly<Record<string, number>> = {
  "http:": 80,
  "https:": 443,
  "socks5:": 1080,
  "socks5h:": 1080,
};

/** Host and port of a URL. `standard` is the port of one that has none. Pure. */
export function placeOf({ hostname, port }: URL, standard: number): Place {
  return { hostname: hostname.replace(/^\[(.*)\]$/, "$1"), port: port === "" ? standard : Number(port) };
}

/** The place of a URL as kubectl takes it; undefined for what is none. Pure. */
export function placeOfText(text: string): Place | undefined {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  if (!url || url.hostname === "") return undefined;
  const standard = PORTS[url.protocol];
  return url.port === "" && standard === undefined ? undefined : placeOf(url, standard!);
}

/** Whether a host is an address, which nobody has to be asked for. Pure. */
export function isAddress(hostname: string): boolean {
  return /^\d+(?:\.\d+){3}$/.test(hostname) || hostname.includes(":");
}

/** URLs that a kubeconfig names. Falls back on parsing for an unusual text. */
async function urlsNamed(text: string, path: string): Promise<string[]> {
  const keys = text.match(PLACE_KEY)?.length ?? 0;
  const found = [...text.matchAll(text.trimStart().startsWith("{") ? PLACE_IN_JSON : PLACE_LINE)];
  if (found.length === keys) {
    return found.map(([, ...values]) => values.find((value) => value !== undefined)!);
  }
  try {
    const { clusters } = await (await import("./kubeconfig.ts")).parseKubeconfig(text, path);
    return [...clusters.values()].flatMap(({ entry }) =>
      [entry.server, entry.proxyUrl].filter((url) => url !== undefined)
    );
  } catch {
    return []; // it is told of when the cluster is used
  }
}

/** What is set by variables: proxies, and the cluster that a Pod is in. */
function urlsOfEnvironment(env: Readonly<Record<string, string>>): string[] {
  const proxies = ["HTTPS_PROXY", "HTTP_PROXY"].flatMap((name) => [env[name], env[name.toLowerCase()]]);
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env;
  const pod = host && port ? [`https://${host.includes(":") ? `[${host}]` : host}:${port}`] : [];
  return [...proxies.filter((url) => url !== undefined && url !== ""), ...pod] as string[];
}

/**
 * All places, each once.
 *
 * @param kubeconfigs texts by path
 */
export async function placesNamed(
  kubeconfigs: ReadonlyMap<string, string>,
  flags: ConnectionFlags,
  env: Readonly<Record<string, string>>,
): Promise<Place[]> {
  const named = await Promise.all([...kubeconfigs].map(([path, text]) => urlsNamed(text, path)));
  const urls = [
    ...named.flat(),
    ...[flags.server, flags.proxyUrl].filter((url) => url !== undefined),
    ...urlsOfEnvironment(env),
  ];
  const places = new Map<string, Place>();
  for (const url of urls) {
    const place = placeOfText(url);
    if (place) places.set(`${place.hostname} ${place.port}`, place);
  }
  return [...places.values()];
}

/** Whether a proxy may lead there: from the kubeconfigs, the flags or the environment. */
export function mayUseProxy(
  kubeconfigs: ReadonlyMap<string, string>,
  flags: ConnectionFlags,
  env: Readonly<Record<string, string>>,
): boolean {
  return flags.proxyUrl !== undefined ||
    ["HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"].some((name) => env[name]) ||
    [...kubeconfigs.values()].some((text) => text.includes("proxy-url") || /\\[xu]|!!/.test(text));
}
