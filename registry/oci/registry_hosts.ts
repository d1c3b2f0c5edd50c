/**
 * Reads how to reach registries: mirrors, private CAs, client certificates, plain HTTP. The sources are
 * `registries.yaml` in the store and the files of container tools: registries.conf with its drop-ins, and certs.d.
 */

import { canonicalHost } from "../../runtime/base/reference.ts";
import { layoutAt } from "../../runtime/store/layout.ts";
import type { Endpoint } from "./authorized_requests.ts";
import { readTls } from "./hosts/host_certificates.ts";
import { readContainers } from "./hosts/registries_conf.ts";
import { parseRegistriesFile, type RegistriesConfig } from "./hosts/registries_yaml.ts";
import { type Place, placesOf, ruleOf } from "./hosts/registry_rules.ts";
import type { HostsHost } from "./hosts/settings_host.ts";
import { isLoopback, registryOrigin } from "./mirrored_reference.ts";
import type { Hosts } from "./registry_client.ts";

/** The user's configuration of registries. Files are read at the first use. */
export function openHosts(root: string, host: HostsHost): Hosts {
  let config: Promise<RegistriesConfig> | undefined;
  const read = () => config ??= readConfig(root, host);
  const https = new Map<string, Promise<boolean>>();
  const tlsOf = async (name: string) => {
    const registry = canonicalHost(name) ?? name; // a URL has another name for Docker Hub
    return readTls(registry, (await read()).tls.get(registry), host);
  };
  const originOf = async (
    { registry, insecure }: Pick<Place, "registry" | "insecure">,
  ): Promise<string> => {
    // Registries on this machine use HTTP or HTTPS, so the port is asked. Configured certificates mean HTTPS.
    const local = isLoopback(registry);
    if (!local && !insecure) return registryOrigin(registry, false);
    if (local && !insecure && await tlsOf(registry)) return `https://${registry}`;
    if (local && !/:\d+$/.test(registry)) return registryOrigin(registry, true); // its port is 80
    const secure = local ? `https://${registry}` : registryOrigin(registry, false);
    let speaks = https.get(registry);
    if (!speaks) https.set(registry, speaks = host.speaksHttps(new URL(secure).host));
    return await speaks ? secure : registryOrigin(registry, true);
  };
  return {
    async endpoints(reference): Promise<readonly Endpoint[]> {
      const { rules } = await read();
      return await Promise.all(
        placesOf(ruleOf(rules, reference), reference).map(async (place) => ({
          registry: place.registry,
          repository: place.repository,
          origin: await originOf(place),
          ...(place.isUsers ? { isUsers: true } : {}),
        })),
      );
    },
    async origin(registry) {
      const { rules } = await read();
      const insecure = ruleOf(rules, { registry, repository: "" })?.insecure ?? false;
      return await originOf({ registry, insecure });
    },
    tls: tlsOf,
  };
}

/** The user's own file, in the store. */
export function registriesFile(root: string): string {
  return layoutAt(root).registries;
}

async function readConfig(root: string, host: HostsHost): Promise<RegistriesConfig> {
  const path = registriesFile(root);
  const content = host.readFile(path);
  const own: RegistriesConfig = content === undefined
    ? { rules: [], tls: new Map() }
    : await parseRegistriesFile(content, path, root);
  const containers = await readContainers(host);
  // The user's rule for a prefix replaces the container tools' rule.
  const said = new Set(own.rules.map(({ prefix }) => prefix));
  return { rules: [...own.rules, ...containers.filter(({ prefix }) => !said.has(prefix))], tls: own.tls };
}
