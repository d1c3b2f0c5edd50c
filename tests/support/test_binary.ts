/**
 * End-to-end tests that run only on the compiled binary: from source each command takes five times as long to start and
 * runs the same code. `KREW_WASM_E2E=all` runs them from source too.
 */

import { binaryUnderTest } from "./product.ts";

type Options = Omit<Deno.TestDefinition, "name" | "fn">;
type Body = Deno.TestDefinition["fn"];

/** `Deno.test()`, only on the binary. */
export function testBinary(name: string, body: Body): void;
export function testBinary(name: string, options: Options, body: Body): void;
export function testBinary(name: string, second: Options | Body, third?: Body): void {
  const [options, fn] = typeof second === "function" ? [{}, second] : [second, third!];
  const left = binaryUnderTest() === undefined && Deno.env.get("KREW_WASM_E2E") !== "all";
  Deno.test({ ...options, name, fn, ignore: left || options.ignore === true });
}
