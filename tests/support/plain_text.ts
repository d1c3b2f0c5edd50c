/** Removes escape sequences and control strings (ECMA-48) from a program's terminal output. */
export function plainText(text: string): string {
  const sequences =
    // deno-lint-ignore no-control-regex -- the expression matches control characters
    /\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]P_^X][^\x1b\x07]*(?:\x1b\\|\x07)|[ -/]+[0-~]|[0-OQ-WYZ`-~\\\x03])|[\x0e\x0f\x18]/g;
  return text.replace(sequences, "");
}
