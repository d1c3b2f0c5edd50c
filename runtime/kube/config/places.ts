/**
 * Lists where a run may connect to, before anything is parsed: the API servers and proxies in the kubeconfig, the
 * flags and the environment. `open_cluster.ts` chooses among them when the plugin first uses the cluster.
 */

import type { ConnectionFlags } from "./kubectl_flags.ts";

/** A host (a name, or an address without brackets) and its port. */
export interface Place {
  readonly hostname: string;
  readonly port: number;
}

/** Keys of a kubeconfig that name a place. */
const PLACE_KEY = /(?:^|[\s"'{,])(?:server|proxy-url)["']?\s*:/g;
/** The same in JSON, without escapes in the value. */
const PLACE_IN_JSON = /"(?:server|proxy-url)"\s*:\s*"([^"\\\n]+)"/g;
/** The same on its own line with a plain or quoted value, as kubectl, minikube, kind and clouds write it. */
const PLACE_LINE =
  /^[ \t]*(?:- )?["']?(?:server|proxy-url)["']?[ \t]*:[ \t]+(?:"([^"\\\n]+)"|'([^'\n]+)'|([A-Za-z0-9[][^\s"'{},]*))[ \t\r]*(?:[ \t]#.*)?$/gm;

const PORTS: Readonly<Record<string, number>> = {
  "http:": 80,
  "https:": 443,
  "socks5:": 1080,
  "socks5h:": 1080,
};

/** Host and port of a URL. `standard` is the port of a URL without one. Pure. */
export function placeOf({ hostname, port }: URL, standard: number): Place {
  return { hostname: hostname.replace(/^\[(.*)\]$/, "$1"), port: port === "" ? standard : Number(port) };
}

/** The place of a URL as kubectl parses it; undefined for another text. Pure. */
export function placeOfText(text: string): Place | undefined {
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  if (!url || url.hostname === "") return undefined;
  const standard = PORTS[url.protocol];
  return url.port === "" && standard === undefined ? undefined : placeOf(url, standard!);
}

/** Whether a host is an address, which needs no name resolution. Pure. */
export function isAddress(hostname: string): boolean {
  return /^\d+(?:\.\d+){3}$/.test(hostname) || hostname.includes(":");
}

/** The URLs that a kubeconfig names. Parses it only if its text is unusual. */
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
    return []; // the cluster's first use reports it
  }
}

/** The proxies in variables, and the cluster of the Pod that this process is in. */
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

/** Whether the connection may go through a proxy, by kubeconfigs, flags or environment. */
export function mayUseProxy(
  kubeconfigs: ReadonlyMap<string, string>,
  flags: ConnectionFlags,
  env: Readonly<Record<string, string>>,
): boolean {
  return flags.proxyUrl !== undefined ||
    ["HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"].some((name) => env[name]) ||
    [...kubeconfigs.values()].some((text) => text.includes("proxy-url") || /\\[xu]|!!/.test(text));
}
