/** Addresses of wasi:sockets as text and as records. */

import assert from "node:assert/strict";
import {
  formatAddress,
  isMapped,
  isUnicast,
  isWildcard,
  parseAddress,
  socketAddress,
} from "../../../../runtime/wasi/p2/ip_addresses.ts";

Deno.test("parseAddress() parses every form that an operating system writes", () => {
  for (
    const [text, expected] of [
      ["127.0.0.1", "127.0.0.1"],
      ["::", "0:0:0:0:0:0:0:0"],
      ["::1", "0:0:0:0:0:0:0:1"],
      ["fe80::1%eth0", "fe80:0:0:0:0:0:0:1"],
      ["::ffff:10.0.0.1", "0:0:0:0:0:ffff:a00:1"],
      ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
      ["256.0.0.1", undefined],
      ["1.2.3", undefined],
      ["1:2:3", undefined],
      ["1:2:3:4:5:6:7:8:9", undefined],
    ] as const
  ) {
    const address = parseAddress(text);
    assert.equal(address && formatAddress(address), expected, text);
  }
});

Deno.test("an address is unspecified, of one host, or of IPv4 in the form of IPv6", () => {
  for (
    const [text, is] of [
      ["0.0.0.0", "wildcard unicast"],
      ["::", "wildcard unicast"],
      ["10.0.0.1", "unicast"],
      ["224.0.0.1", ""],
      ["255.255.255.255", ""],
      ["ff02::1", ""],
      ["fe80::1", "unicast"],
      ["::ffff:10.0.0.1", "unicast mapped"],
    ] as const
  ) {
    const address = socketAddress({ hostname: text, port: 1 });
    const found = { wildcard: isWildcard(address), unicast: isUnicast(address), mapped: isMapped(address) };
    assert.equal(Object.entries(found).filter(([, yes]) => yes).map(([name]) => name).join(" "), is, text);
  }
});

Deno.test("a socket's address keeps its port, and other text is none", () => {
  assert.deepEqual(socketAddress({ hostname: "10.0.0.1", port: 443 }), {
    ...{ tag: "ipv4", val: { port: 443, address: [10, 0, 0, 1] } },
  });
  assert.throws(
    () => socketAddress({ hostname: "api.test", port: 443 }),
    (error) => (error as unknown) === "unknown",
  );
});
