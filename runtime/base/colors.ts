/** Whether output for people has colours: not in pipes, with NO_COLOR or with --color=never. Pure. */

/** A value of `--color`. */
export type ColorMode = "auto" | "always" | "never";

/**
 * Whether to use colours on a stream (https://no-color.org, https://bixense.com/clicolors).
 *
 * @param env the user's environment
 * @param isTerminal whether the stream is a terminal
 */
export function useColors(
  mode: ColorMode,
  env: (name: string) => string | undefined,
  isTerminal: boolean,
): boolean {
  if (mode !== "auto") return mode === "always";
  if (env("NO_COLOR")) return false;
  const force = env("CLICOLOR_FORCE");
  if (force && force !== "0") return true;
  return isTerminal && env("TERM") !== "dumb" && env("CLICOLOR") !== "0";
}
