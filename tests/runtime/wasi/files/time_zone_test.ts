import assert from "node:assert/strict";
import { LEAST, NO_DENIALS } from "../../../../runtime/grants/grants.ts";
import { PermissionRequests } from "../../../../runtime/sandbox/permission_requests.ts";
import { RunRecord } from "../../../../runtime/sandbox/run_record.ts";
import { isTimeZone } from "../../../../runtime/wasi/files/time_zone.ts";

Deno.test("isTimeZone() knows time zones, and no file beside them", () => {
  for (const path of ["/etc/localtime", "/usr/share/zoneinfo", "/usr/share/zoneinfo/Europe/Berlin"]) {
    assert.ok(isTimeZone(path), path);
  }
  for (const path of ["/etc", "/etc/localtime2", "/etc/localtime/x", "/usr/share/zoneinfo2", "/usr/share"]) {
    assert.ok(!isTimeZone(path), path);
  }
});

Deno.test("a plugin reads time zones without a question, and nothing that a link makes look like one", () => {
  const requests = (deny: readonly string[] = []) =>
    new PermissionRequests({
      plugin: "foo",
      grants: { ...LEAST, deny: { ...NO_DENIALS, read: deny } },
      home: "/home/jane",
      args: [],
      started: undefined,
      ask: undefined,
      administrator: undefined,
      record: RunRecord.silent(),
      keep: undefined,
    });
  const path = "/etc/localtime";
  const real = "/usr/share/zoneinfo/Etc/UTC";
  const file = { path, directory: false } as const;
  assert.equal(requests().askFile({ ...file, kind: "read", real }), "stay");
  assert.equal(requests().askFile({ ...file, kind: "write", real }), "no");
  assert.equal(requests().askFile({ ...file, kind: "read", real: "/etc/shadow" }), "no");
  assert.equal(requests(["/usr/share"]).askFile({ ...file, kind: "read", real }), "no");
  assert.equal(requests(["/etc"]).askFile({ ...file, kind: "read", real }), "no");
});
