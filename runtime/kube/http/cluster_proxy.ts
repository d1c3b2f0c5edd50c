/**
 * Chooses the proxy for a server by the rules of Go's net/http (golang.org/x/net/http/httpproxy), which kubectl
 * follows: the cluster's own `proxy-url` first; otherwise `HTTPS_PROXY` or `HTTP_PROXY`, except for hosts in
 * `NO_PROXY` and this machine. Pure.
 */

import { AppError } from "../../base/errors.ts";
import { type Userinfo, userinfoOf } from "../config/server_url.ts";
import { shownUrl } from "../config/shown_url.ts";

/** Default ports of the schemes. */
const PORTS: Readonly<Record<string, string>> = { "http:": "80", "https:": "443", "socks5:": "1080" };

/** Schemes of `proxy-url` (clientcmd's parseProxyURL); net/http accepts more from the environment. */
const KUBECONFIG_SCHEMES = ["http:", "https:", "socks5:"];
const SCHEMES = [...KUBECONFIG_SCHEMES, "socks5h:"];

/** Whether a text is valid as `proxy-url`. */
export function isProxyUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && KUBECONFIG_SCHEMES.includes(url.protocol) && url.hostname !== "" &&
    userinfoOf(url) !== "broken";
}

/** The user name and password of a proxy; empty if it has none. */
export function userinfoOfProxy(proxy: URL): Userinfo {
  const userinfo = userinfoOf(proxy);
  return userinfo === undefined || userinfo === "broken" ? { username: "", password: "" } : userinfo;
}

/**
 * The proxy for a server, or undefined. It may contain a user name and a password.
 *
 * @param proxyUrl the cluster's own
 * @throws AppError CLUSTER_UNSUPPORTED for a variable that is no proxy
 */
export function proxyFor(
  server: URL,
  proxyUrl: string | undefined,
  env: Readonly<Record<string, string>>,
): URL | undefined {
  if (proxyUrl !== undefined) return new URL(proxyUrl);
  const names = server.protocol === "https:" ? ["HTTPS_PROXY", "https_proxy"] : ["HTTP_PROXY", "http_proxy"];
  const name = names.find((name) => env[name]);
  if (name === undefined) return undefined;
  // A web server passes a request's `Proxy` header to a CGI program in this variable (httpoxy), so Go ignores it
  // there.
  if (name === "HTTP_PROXY" && env.REQUEST_METHOD) return undefined;
  if (!usesProxy(server, env.NO_PROXY || env.no_proxy || "")) return undefined;
  const proxy = parseProxy(env[name]!);
  if (proxy && isProxyScheme(proxy) && userinfoOf(proxy) !== "broken") return proxy;
  throw new AppError(
    "CLUSTER_UNSUPPORTED",
    `${name} names no http, https or socks5 proxy: "${shownUrl(env[name]!)}"`,
  );
}

/** Whether the environment may name a proxy of this scheme. */
export function isProxyScheme({ protocol }: URL): boolean {
  return SCHEMES.includes(protocol);
}

/** A URL, or `host:port` for an HTTP proxy. */
function parseProxy(text: string): URL | null {
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? URL.parse(text) : null;
  return url ?? URL.parse(`http://${text}`);
}

/** Whether `NO_PROXY` and the rule for this machine send a server through the proxy. */
export function usesProxy(server: URL, noProxy: string): boolean {
  const host = server.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const port = server.port || PORTS[server.protocol]!;
  const address = parseAddress(host);
  if (host === "localhost" || (address && isLoopbackAddress(address))) return false;
  for (const entry of noProxy.split(",").map((part) => part.trim().toLowerCase())) {
    if (entry === "") continue;
    if (entry === "*" || matches(entry, host, port, address)) return false;
  }
  return true;
}

function matches(entry: string, host: string, port: string, address: Address | undefined): boolean {
  const range = /^(.*)\/(\d{1,3})$/.exec(entry);
  const base = range && parseAddress(range[1]!);
  if (base) return address !== undefined && isInRange(address, base, Number(range[2]));
  const { name, port: only } = splitPort(entry);
  if (only !== undefined && only !== port) return false;
  const wanted = parseAddress(name);
  if (wanted) return address !== undefined && sameAddress(address, wanted);
  if (address || name === "") return false;
  const suffix = name.startsWith("*.") ? name.slice(1) : name;
  return suffix.startsWith(".") ? host.endsWith(suffix) : host === suffix || host.endsWith(`.${suffix}`);
}

/** `host`, `host:port`, `[v6]:port`, or a bare IPv6 address. */
function splitPort(entry: string): { name: string; port: string | undefined } {
  const bracketed = /^\[(.*)\](?::(\d*))?$/.exec(entry);
  if (bracketed) return { name: bracketed[1]!, port: bracketed[2] || undefined };
  const [, name = entry, port] = /^([^:]*):(\d*)$/.exec(entry) ?? [];
  return { name, port: port || undefined };
}

/** 4 bytes for IPv4 and for an IPv6 address that embeds it, otherwise 16. */
type Address = readonly number[];

function parseAddress(text: string): Address | undefined {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) {
    const bytes = text.split(".").map(Number);
    return bytes.every((byte) => byte < 256) ? bytes : undefined;
  }
  if (!text.includes(":")) return undefined;
  const url = URL.parse(`http://[${text}]/`); // canonical form: no embedded IPv4, zeros compressed
  if (!url) return undefined;
  const [head = "", tail] = url.hostname.slice(1, -1).split("::");
  const groups = (part: string) => part === "" ? [] : part.split(":").map((group) => parseInt(group, 16));
  const [first, last] = [groups(head), groups(tail ?? "")];
  const all = tail === undefined
    ? first
    : [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
  const bytes = all.flatMap((group) => [group >> 8, group & 0xff]);
  const mapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  return mapped ? bytes.slice(12) : bytes;
}

function isLoopbackAddress(address: Address): boolean {
  return address.length === 4
    ? address[0] === 127
    : address.slice(0, 15).every((byte) => byte === 0) && address[15] === 1;
}

function sameAddress(one: Address, other: Address): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

function isInRange(address: Address, base: Address, bits: number): boolean {
  if (address.length !== base.length || bits > base.length * 8) return false;
  return base.every((byte, index) => {
    const mask = 0xff00 >> Math.min(8, Math.max(0, bits - index * 8)) & 0xff;
    return (byte & mask) === (address[index]! & mask);
  });
}
