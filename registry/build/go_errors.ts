/** Reads the Go compiler's errors about packages from the output of `go build`. Pure. */

/** The packages with undefined names. Their files for Linux may define them. */
export function packagesLackingNames(output: string): string[] {
  const lacking = new Set<string>();
  let current: string | undefined;
  for (const line of output.split("\n")) {
    const heading = /^# (\S+)/.exec(line);
    if (heading) current = heading[1];
    else if (current !== undefined && /: undefined: |undefined \(type .* has no field or method/.test(line)) {
      lacking.add(current);
    }
  }
  return [...lacking];
}
