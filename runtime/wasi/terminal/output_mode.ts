/**
 * Sets whether the terminal adds a carriage return before each line feed of the output (OPOST of termios). Deno's raw
 * mode leaves that on.
 */

/**
 * The C library, and the offset of c_oflag in its `struct termios` in bytes (<termios.h>). OPOST is the lowest bit of
 * that byte on both systems.
 */
const SYSTEMS = {
  linux: { library: "libc.so.6", outputFlags: 4 },
  darwin: { library: "/usr/lib/libSystem.B.dylib", outputFlags: 8 },
} as const;
const OPOST = 1;
const TCSADRAIN = 1;
/** Room for a `struct termios` of either system. Bytes. */
const TERMIOS = 256;
const STDIN = 0;

/** Switches the carriage returns on or off. */
export type SetOutputMode = (on: boolean) => void;

/** Loads the C library, with the permission `ffi`. The result needs no permission; it is undefined on other systems. */
export function loadOutputMode(): SetOutputMode | undefined {
  const system = SYSTEMS[Deno.build.os as keyof typeof SYSTEMS];
  if (!system) return undefined;
  try {
    const { symbols } = Deno.dlopen(system.library, {
      tcgetattr: { parameters: ["i32", "buffer"], result: "i32" },
      tcsetattr: { parameters: ["i32", "i32", "buffer"], result: "i32" },
    });
    return (on) => {
      const mode = new Uint8Array(TERMIOS);
      if (symbols.tcgetattr(STDIN, mode) !== 0) return;
      if (on) mode[system.outputFlags]! |= OPOST;
      else mode[system.outputFlags]! &= ~OPOST;
      symbols.tcsetattr(STDIN, TCSADRAIN, mode);
    };
  } catch {
    return undefined; // another C library
  }
}
