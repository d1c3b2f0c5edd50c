/** What the Go compiler has against a package, out of what `go build` prints. Pure. */

/** Packages with names that their system does not have: built from their files for Linux, they may have them. */
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
