/**
 * The npm packages. `krew-wasm` has an optional dependency for each platform, of which npm installs only the machine's. It
 * starts the binary in there.
 */

import type { Entry } from "./archive.ts";
import { homepage, type Release, SUMMARY } from "./release.ts";
import { programName, type Target } from "./targets.ts";

const NODE_OS = { linux: "linux", macos: "darwin", windows: "win32" } as const;

/** The name of the package with a platform's binary. */
export function platformPackage({ os, arch }: Target): string {
  return `krew-wasm-${NODE_OS[os]}-${arch}`;
}

function manifest(release: Release, name: string, more: Readonly<Record<string, unknown>>): Entry {
  const value = {
    name,
    version: release.version,
    description: SUMMARY,
    license: "Apache-2.0",
    homepage: homepage(release),
    repository: { type: "git", url: `git+${homepage(release)}.git` },
    ...more,
  };
  return { path: "package/package.json", bytes: encode(`${JSON.stringify(value, null, 2)}\n`) };
}

/** The files of a platform's package. */
export function platformFiles(release: Release, target: Target, program: Uint8Array): Entry[] {
  return [
    manifest(release, platformPackage(target), {
      os: [NODE_OS[target.os]],
      cpu: [target.arch],
      ...(target.os === "linux" ? { libc: ["glibc"] } : {}),
    }),
    { path: `package/${programName(target)}`, bytes: program, executable: true },
  ];
}

/** The files of the package `krew-wasm`. */
export function wrapperFiles(release: Release): Entry[] {
  const platforms = release.archives.map(({ target }) => [platformPackage(target), release.version]);
  return [
    manifest(release, "krew-wasm", {
      bin: { "krew-wasm": "krew-wasm.js", "kubectl-wasm": "krew-wasm.js" },
      engines: { node: ">=18" },
      optionalDependencies: Object.fromEntries(platforms),
    }),
    { path: "package/krew-wasm.js", bytes: encode(WRAPPER), executable: true },
  ];
}

const WRAPPER = `#!/usr/bin/env node
// Starts the binary of the package for this machine, and ends as it ends.
"use strict";
const { spawn } = require("node:child_process");
const { constants } = require("node:os");

const platform = \`krew-wasm-\${process.platform}-\${process.arch}\`;
const file = process.platform === "win32" ? "krew-wasm.exe" : "krew-wasm";
let program;
try {
  program = require.resolve(\`\${platform}/\${file}\`);
} catch {
  console.error(\`krew-wasm: there is no binary for \${process.platform} \${process.arch}, or npm did not install \${platform}\`);
  console.error("krew-wasm: npm install --include=optional krew-wasm installs it; on Linux it needs glibc, not musl");
  process.exit(1);
}
const child = spawn(program, process.argv.slice(2), { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("error", (error) => {
  console.error(\`krew-wasm: \${error.message}\`);
  process.exit(1);
});
child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
`;

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
