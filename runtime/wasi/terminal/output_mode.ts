/**
 * Whether the terminal changes what is written to it: it adds a carriage return before each line feed (OPOST of
 * termios). Deno's raw mode leaves that on.
 */

/** <termios.h>: the offset of c_oflag in a `struct termios`, in bytes. OPOST is the lowest bit of its first byte on both. */
const SYSTEMS = {
  linux: { library: "libc.so.6", outputFlags: 4 },
  darwin: { library: "/usr/lib/libSystem.B.dylib", outputFlags: 8 },
} as const;
const OPOST = 1;
const TCSADRAIN = 1;
/** The largest `struct termios` of these systems. Bytes. */
const TERMIOS = 256;
const STDIN = 0;

/** Switches the terminal's changes on or off. */
export type SetOutputMode = (changed: boolean) => void;

/** Needs the permission `ffi`; the result does not. undefined on other systems. */
export function loadOutputMode(): SetOutputMode | undefined {
  const system = SYSTEMS[Deno.build.os as keyof typeof SYSTEMS];
  if (!system) return undefined;
  try {
    const { symbols } = Deno.dlopen(system.library, {
      tcgetattr: { parameters: ["i32", "buffer"], result: "i32" },
      tcsetattr: { parameters: ["i32", "i32", "buffer"], result: "i32" },
    });
    return (changed) => {
      const mode = new Uint8Array(TERMIOS);
      if (symbols.tcgetattr(STDIN, mode) !== 0) return;
      if (changed) mode[system.outputFlags]! |= OPOST;
      else mode[system.outputFlags]! &= ~OPOST;
      symbols.tcsetattr(STDIN, TCSADRAIN, mode);
    };
  } catch {
    return undefined; // another C library
  }
}
