import assert from "node:assert/strict";
import { shownUrl } from "../../../../runtime/kube/config/shown_url.ts";

Deno.test("shownUrl() removes user, password, query and fragment from any URL", () => {
  const cases: [text: string, shown: string][] = [
    ["https://proxy.example:3128/x", "https://proxy.example:3128/x"],
    ["http://me:s3cret@proxy.example", "http://…@proxy.example"],
    ["http://me:s3@cret@proxy.example/x", "http://…@proxy.example/x"],
    ["me:s3cret@proxy.example:1", "…@proxy.example:1"],
    ["http:me:s3cret@proxy.example", "…@proxy.example"],
    ["http://me:s3#cret@proxy.example", "http://…"],
    ["http://me:s3/cret@proxy.example", "http://…"],
    ["http://me:s3?cret@proxy.example", "http://…"],
    ["http://u@me:s3/cret@proxy.example", "http://…"],
    ["https://a.example/x?token=s3cret#s3cret", "https://a.example/x"],
    ["https://a.example/x?token=s3@cret", "https://a.example/…"],
    ["https://a.example/x/@s3cret", "https://a.example/…"],
    ["", ""],
    ["\x1b[2J", "\\x1b[2J"],
  ];
  for (const [text, shown] of cases) assert.equal(shownUrl(text), shown, text);
});
