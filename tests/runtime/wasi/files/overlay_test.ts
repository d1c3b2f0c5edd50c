/** Overlays: files with content from the host. */

import assert from "node:assert/strict";
import type { Overlay } from "../../../../runtime/sandbox/types.ts";
import type { AnyFile } from "../../../../runtime/wasi/files/file_tree.ts";
import { OverlayContents } from "../../../../runtime/wasi/files/overlay.ts";
import { statOf } from "../../../support/fake_tree.ts";
import { errnoOf } from "../../../support/file_trees.ts";

/** An overlay that counts how often its content is generated. */
function counted(content: string, late: boolean) {
  let generated = 0;
  const overlay: Overlay = {
    host: "/home/me/.kube/config",
    content() {
      generated++;
      const bytes = new TextEncoder().encode(content);
      return late ? Promise.resolve(bytes) : bytes;
    },
  };
  return { overlay, generated: () => generated };
}

function textOf(file: AnyFile): string {
  const bytes = new Uint8Array(100);
  return new TextDecoder().decode(bytes.subarray(0, file.readAt(bytes, 0n)));
}

for (const late of [false, true]) {
  Deno.test(`an overlay's content is generated once${late ? ", even if it takes time" : ""}`, async () => {
    const { overlay, generated } = counted("redacted", late);
    const contents = new OverlayContents();
    assert.equal(generated(), 0);
    assert.equal(textOf(await contents.open(overlay, statOf())), "redacted");
    assert.equal(textOf(await contents.open(overlay, statOf())), "redacted");
    assert.equal((await contents.statOf(overlay, statOf())).size, 8n);
    assert.equal(generated(), 1);
  });
}

Deno.test("an overlay has the hidden file's attributes, but its own size", () => {
  const { overlay } = counted("redacted", false);
  const hidden = statOf({ size: 5000n });
  const file = new OverlayContents().open(overlay, hidden) as AnyFile;
  assert.deepEqual(file.stat(), { ...hidden, size: 8n });
  assert.equal(file.size(), 8n);
});

Deno.test("an overlay is read from any position and changed by nothing", () => {
  const { overlay } = counted("redacted", false);
  const file = new OverlayContents().open(overlay, statOf()) as AnyFile;
  const into = new Uint8Array(3);
  assert.equal(file.readAt(into, 6n), 2);
  assert.equal(new TextDecoder().decode(into), "ed\0");
  assert.equal(file.readAt(into, 8n), 0);
  assert.equal(file.readAt(into, 1n << 60n), 0);
  for (const change of [() => file.writeAt(into, 0n), () => file.append(into), () => file.allocate(0n, 1n)]) {
    assert.equal(errnoOf(change), "bad-descriptor");
  }
  assert.equal(errnoOf(() => file.setSize(0n)), "invalid");
  assert.equal(textOf(file), "redacted");
});
