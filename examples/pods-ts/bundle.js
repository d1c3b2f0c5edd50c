/** Bundles pods.ts with the parts of @kubernetes/client-node that a plugin needs, and replacements for Node's modules. */

import { build } from "esbuild";

const client = "./node_modules/@kubernetes/client-node/dist";
const [outfile = "pods.bundle.js"] = process.argv.slice(2);

await build({
  entryPoints: ["pods.ts"],
  outfile,
  bundle: true,
  format: "esm",
  platform: "neutral",
  mainFields: ["module", "main"],
  external: ["wasi:*", "krew-wasm:*"],
  logLevel: "error",
  alias: {
    // The package's main module also loads kubeconfig, exec and port-forward, which need Node.
    "client-node/api": `${client}/gen/index.js`,
    "client-node/informer": `${client}/cache.js`,
    ...Object.fromEntries(
      ["undici", "url", "node:timers/promises", "node:http", "node:readline", "node:stream"].map((name) => [
        name,
        "./node.js",
      ]),
    ),
  },
});
