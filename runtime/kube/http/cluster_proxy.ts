/**
 * Which proxy leads to a server, by the rules of Go's net/http (golang.org/x/net/http/httpproxy), which are kubectl's:
 * the cluster's own `proxy-url`, whatever else is said; otherwise `HTTPS_PROXY` or `HTTP_PROXY`, but for what `NO_PROXY`
 * names and for this machine. Pure.
 */

import { AppError } from "../../base/errors.ts";
import { type Userinfo, userinfoOf } from "../config/server_url.ts";
import { shownUrl } from "../config/shown_url.ts";

/** Ports of schemes that name none. */
const PORTS: Readonly<Record<string, string>> = { "http:": "80", "https:": "443", "socks5:": "1080" };

/** What `proxy-url` may be (clientcmd's parseProxyURL), and beyond that what net/http takes from the environment. */
const KUBECONFIG_SCHEMES = ["http:", "https:", "socks5:"];
const SCHEMES = [...KUBECONFIG_SCHEMES, "socks5h:"];

/** Whether a cluster's `proxy-url` is one. */
export function isProxyUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && KUBECONFIG_SCHEMES.includes(url.protocol) && url.hostname !== "" &&
    userinfoOf(url) !== "broken";
}

/** The user name and the password of a proxy, empty where there is none. */
export function userinfoOfProxy(proxy: URL): Userinfo {
  const userinfo = userinfoOf(proxy);
  return userinfo === undefined || userinfo === "broken" ? { username: "", password: "" } : userinfo;
}

/**
 * The proxy for a server, undefined for none. It may hold a user name and a password.
 *
 * @param proxyUrl the cluster's own
 * @throws AppError CLUSTER_UNSUPPORTED for a variable that names none
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
  // A web server hands a request's `Proxy` header to a CGI program by this name (httpoxy): Go refuses it there.
  if (name === "HTTP_PROXY" && env.REQUEST_METHOD) return undefined;
  if (!usesProxy(server, env.NO_PROXY || env.no_proxy || "")) return undefined;
  const proxy = parseProxy(env[name]!);
  if (proxy && isProxyScheme(proxy) && userinfoOf(proxy) !== "broken") return proxy;
  throw new AppError(
    "CLUSTER_UNSUPPORTED",
    `${name} names no http, https or socks5 proxy: "${shownUrl(env[name]!)}"`,
  );
}

/** Whether a URL is of a kind of proxy that the environment may name. */
export function isProxyScheme({ protocol }: URL): boolean {
  return SCHEMES.includes(protocol);
}

/** A URL, or `host:port` for one of http. */
function parseProxy(text: string): URL | null {
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? URL.parse(text) : null;
  return url ?? URL.parse(`http://${text}`);
}

/** Whether `NO_PROXY` and the rule for this machine leave a server to the proxy. */
export function usesProxy(server: URL, noProxy: string): boolean {
  const host = server.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const port = server.port || PORTS[server.protocol]!;
  const address = parseAddress(host);
  if (host === "localhost" || (address && isLoopback(address))) return false;
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

/** Bytes: 4 for IPv4, and for IPv6 that stands for it, otherwise 16. */
type Address = readonly number[];

function parseAddress(text: string): Address | undefined {
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) {
    const bytes = text.split(".").map(Number);
    return bytes.every((byte) => byte < 256) ? bytes : undefined;
  }
  if (!text.includes(":")) return undefined;
  const url = URL.parse(`http://[${text}]/`); // spells it in one way: no embedded IPv4, zeros compressed
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

function isLoopback(address: Address): boolean {
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
