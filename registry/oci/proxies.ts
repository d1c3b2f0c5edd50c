/**
 * Finds the proxy to a registry in the environment, by the rules for the cluster (runtime/kube/http/cluster_proxy.ts).
 * In addition it reads `ALL_PROXY` and ignores the trailing dot of a name. Deno's own rules differ, and Deno ignores an
 * invalid proxy. Pure.
 */

import { AppError } from "../../runtime/base/errors.ts";
import { isProxyScheme, usesProxy } from "../../runtime/kube/http/cluster_proxy.ts";
import { userinfoOf } from "../../runtime/kube/config/server_url.ts";
import { shownUrl } from "../../runtime/kube/config/shown_url.ts";
import { printable } from "../../runtime/base/text.ts";

/** A proxy with the variable that names it. */
export interface EnvironmentProxy {
  /** May contain a user name and a password. */
  readonly url: URL;
  readonly variable: string;
}

/** The variables that Deno's own clients read. */
export const PROXY_VARIABLES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"]
  .flatMap((name) => [name, name.toLowerCase()]);

/**
 * The proxy to a host; undefined for none.
 *
 * @throws AppError REGISTRIES_INVALID for a variable with an invalid proxy
 */
export function registryProxy(
  server: URL,
  env: (name: string) => string | undefined,
): EnvironmentProxy | undefined {
  const first = (...names: string[]) => names.find((name) => env(name));
  const kind = server.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  const variable = first(kind, kind.toLowerCase(), "ALL_PROXY", "all_proxy");
  if (variable === undefined) return undefined;
  // A CGI program gets a request's `Proxy` header in this variable (httpoxy).
  if (variable === "HTTP_PROXY" && env("REQUEST_METHOD")) return undefined;
  const exceptions = (env("NO_PROXY") || env("no_proxy") || "").split(",").map(withoutDot).join(",");
  const bare = new URL(server);
  bare.hostname = withoutDot(server.hostname);
  if (!usesProxy(bare, exceptions)) return undefined;
  const text = env(variable)!.trim();
  const url = URL.parse(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
  // A quote, or a scheme with one slash, would become part of the host name.
  const named = url !== null && /^(\[.+\]|[\w.-]+)$/.test(url.hostname) && !/^https?:\/?(?!\/)/i.test(text);
  if (url && named && isProxyScheme(url) && userinfoOf(url) !== "broken") return { url, variable };
  throw new AppError(
    "REGISTRIES_INVALID",
    `${variable} names no http, https or socks5 proxy: "${shownUrl(text)}"`,
    {
      hint:
        `a proxy looks like http://proxy.acme.example:3128; a password's @ # / ? are %40 %23 %2F %3F; NO_PROXY=${
          printable(server.host, 200)
        } leaves it out`,
    },
  );
}

/** A name, with or without a port, without its trailing dot. */
function withoutDot(name: string): string {
  return name.trim().replace(/\.(?=$|:\d*$)/, "");
}
