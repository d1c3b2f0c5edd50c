/** Random registry hosts, each with another spelling. */

import { fc } from "./fuzz.ts";

/** A host and another spelling of it: case, a trailing dot, default ports, leading zeros, addresses. */
export function hostAndSpelling(): fc.Arbitrary<{ host: string; spelling: string }> {
  const names = fc.constantFrom<readonly [name: string, standard: number, ...others: string[]]>(
    ["ghcr.io", 443],
    ["registry.acme.example", 443],
    ["localhost", 80],
    ["sub.localhost", 80],
    ["docker.io", 443, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"],
    [
      "127.0.0.1",
      80,
      "0177.0.0.1",
      "127.1",
      "2130706433",
      "0x7f000001",
      "[::ffff:127.0.0.1]",
      "[::ffff:7f00:1]",
    ],
    ["10.0.0.7", 443, "012.0.0.07", "10.7", "167772167", "[::ffff:a00:7]"],
    ["[::1]", 80, "[0:0:0:0:0:0:0:1]", "[0::1]", "[::0001]"],
    ["[2001:db8::a]", 443, "[2001:0db8:0:0:0:0:0:000a]", "[2001:db8::0:a]"],
    ["registry", 443],
  );
  return fc.record({
    names,
    other: fc.nat(),
    port: fc.constantFrom(undefined, 80, 443, 5000),
    zeros: fc.nat(7),
    dot: fc.boolean(),
    upper: fc.boolean(),
    spelt: fc.boolean(),
  }).map(({ names: [name, standard, ...others], other, port, zeros, dot, upper, spelt }) => {
    // Docker Hub's names are one registry only with the default port.
    const same = name !== "docker.io" || port === undefined || port === standard ? [name, ...others] : [name];
    let spelling = same[other % same.length]!;
    if (dot && !spelling.startsWith("[") && !/^\d+$/.test(spelling)) spelling += ".";
    if (upper) spelling = spelling.toUpperCase();
    // A reference recognizes a host by a dot, a colon or a capital letter.
    const needsPort = !/[.:[A-Z]/.test(spelling) && spelling !== "localhost";
    const shown = port ?? (spelt || needsPort ? standard : undefined);
    if (shown !== undefined) spelling += `:${"0".repeat(zeros)}${shown}`;
    const dotless = name === "registry" && port === undefined;
    return { host: port === undefined ? (dotless ? "registry:443" : name) : `${name}:${port}`, spelling };
  });
}
