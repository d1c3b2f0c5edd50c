/** The certificates of a registry's host. */

import { AppError } from "../../../runtime/base/errors.ts";
import { hostSpellings } from "../../../runtime/base/reference.ts";
import { printable } from "../../../runtime/base/text.ts";
import type { HostTls } from "../registry_transport.ts";
import type { HostsHost } from "./settings_host.ts";

/** Paths of a host's certificate files. */
export interface HostFiles {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** The certificates of a host: from registries.yaml, else from certs.d of docker or the container tools. */
export function readTls(name: string, own: HostFiles | undefined, host: HostsHost): HostTls | undefined {
  const pem = (path: string): string =>
    host.readFile(path) ?? ((): never => {
      throw new AppError(
        "REGISTRIES_INVALID",
        `There is no file "${printable(path, 300)}" for ${printable(name, 200)}`,
      );
    })();
  const authorities = (paths: readonly string[]): string[] => {
    const texts = paths.map(pem).filter((text) => text.includes("-----BEGIN CERTIFICATE-----"));
    if (texts.length > 0) return texts;
    throw new AppError(
      "REGISTRIES_INVALID",
      `"${printable(paths[0]!, 300)}" for ${printable(name, 200)} holds no certificate in PEM`,
      { hint: "openssl x509 -inform der -in FILE -out ca.pem makes one of DER" },
    );
  };
  if (own) {
    return {
      ...(own.ca === undefined ? {} : { ca: authorities([own.ca]) }),
      ...(own.cert === undefined ? {} : { client: { cert: pem(own.cert), key: pem(own.key!) } }),
    };
  }
  const home = host.env("HOME");
  const config = host.env("XDG_CONFIG_HOME") || (home ? `${home}/.config` : undefined);
  const directories = [
    ...(config ? [`${config}/containers/certs.d`, `${config}/docker/certs.d`] : []),
    "/etc/containers/certs.d",
    "/etc/docker/certs.d",
  ].flatMap((path) => hostSpellings(name).map((spelling) => `${path}/${spelling}`));
  for (const directory of directories) {
    const names = host.readDirectory(directory);
    const ca = names.filter((file) => file.endsWith(".crt"));
    const cert = names.find((file) => file.endsWith(".cert"));
    if (ca.length === 0 && cert === undefined) continue;
    const key = cert && `${cert.slice(0, -".cert".length)}.key`;
    if (cert !== undefined && !names.includes(key!)) {
      throw new AppError(
        "REGISTRIES_INVALID",
        `"${printable(`${directory}/${cert}`, 300)}" has no ${printable(key!)} beside it`,
      );
    }
    return {
      ...(ca.length === 0 ? {} : { ca: authorities(ca.map((file) => `${directory}/${file}`)) }),
      ...(cert === undefined
        ? {}
        : { client: { cert: pem(`${directory}/${cert}`), key: pem(`${directory}/${key}`) } }),
    };
  }
  return undefined;
}
