import assert from "node:assert/strict";
import { rustName } from "../../../../runtime/wasi/trap/demangle.ts";

Deno.test("rustName() demangles both of rustc's schemes", () => {
  for (
    const [symbol, name] of [
      ["_ZN4core9panicking9panic_fmt17h768731f43edd91bfE", "core::panicking::panic_fmt"],
      [
        "_ZN3std2rt10lang_start28_$u7b$$u7b$closure$u7d$$u7d$17h4513a9b74b678c66E.llvm.255032231314079145",
        "std::rt::lang_start::{{closure}}",
      ],
      [
        "_ZN50_$LT$$RF$mut$u20$W$u20$as$u20$core..fmt..Write$GT$9write_fmt17h2f044391d5514c98E",
        "<&mut W as core::fmt::Write>::write_fmt",
      ],
      ["_RNvCs4YYKAqpqZtm_2v04main", "v0::main"],
      ["_RNvMs_Cs4YYKAqpqZtm_2v0INtB4_5ThingReKj3_E3ownB4_", "<v0::Thing<&str, 3>>::own"],
      [
        "_RNvXCs4YYKAqpqZtm_2v0INtB2_5ThingbKj1_ENtB2_3Act3actB2_",
        "<v0::Thing<bool, 1> as v0::Act>::act",
      ],
      [
        "_RINvCs4YYKAqpqZtm_2v05applyNCNvXB2_INtB2_5ThingReKj3_ENtB2_3Act3act0ThEBJ_RSxEB2_",
        "v0::apply<<v0::Thing<&str, 3> as v0::Act>::act::{closure#0}, (u8,), &str, &[i64]>",
      ],
      // Examples of rustc's own reference.
      ["_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar"],
      ["_RINvNtC3std3mem8align_ofFUKCEuE", `std::mem::align_of<unsafe extern "C" fn()>`],
      ["_RINvC1a1fDNtC1b1Tp4ItemmEL_E", "a::f<dyn b::T<Item = u32>>"],
      ["_RINvC1a1fKb1_Kc61_Kan5_Ahj4_OhE", "a::f<true, 'a', -5, [u8; 4], *mut u8>"],
    ] as const
  ) assert.equal(rustName(symbol), name, symbol);
});

Deno.test("rustName() ignores other names, and names made long, deep or endless", () => {
  const deep = `_R${"Nv".repeat(5000)}C1a${"1b".repeat(5000)}`;
  assert.equal(rustName(bomb(3)), `a::f<(), ((), ()), (((), ()), ((), ())), ${triple}>`);
  for (
    const name of [
      "main",
      "_ZN3foo3barEv",
      "_ZN9999999core17h768731f43edd91bfE",
      "_ZN17h768731f43edd91bfE",
      "_ZNx17h768731f43edd91bfE",
      "_R",
      "_RB_",
      "_RNvB_1a",
      "_RNvC1",
      "_RNvC99999a",
      "_RINvC1a1fKc110000_E",
      "_RINvC1a1fTTTTTT",
      deep,
      bomb(40),
    ]
  ) assert.equal(rustName(name), undefined, name.slice(0, 60));
});

const triple = "((((), ()), ((), ())), (((), ()), ((), ())))";

/** Each argument is a pair of the previous one. */
function bomb(size: number): string {
  let symbol = "_RINvC1a1fu";
  let last = symbol.length - 1;
  for (let index = 0; index < size; index++) {
    const next = symbol.length;
    // Positions count from after `_R`.
    const back = `B${base62(last - 2)}`;
    symbol += `T${back}${back}E`;
    last = next;
  }
  return `${symbol}E`;
}

function base62(value: number): string {
  const digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  let text = "_";
  for (let rest = value - 1; value > 0; rest = Math.floor(rest / 62)) {
    text = digits[rest % 62] + text;
    if (rest < 62) break;
  }
  return text;
}
