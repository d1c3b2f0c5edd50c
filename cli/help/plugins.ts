/** `krew-wasm help plugins` */
export const PLUGINS = `PLUGINS

A plugin is called by kubectl: kubectl foo-bar runs the plugin foo-bar. Its name
is the last part of the repository, without kubectl- and .wasm; --name chooses
another.

A tag is a track: v1 follows v1.x.y, v1.2 follows v1.2.x. v1.2.3 and a digest
stay what they are. krew-wasm upgrade follows the track, krew-wasm rollback goes
back, and krew-wasm upgrade NAME --to TAG changes the tag.

An index maps names to references: krew-wasm index add REF, krew-wasm search,
krew-wasm pull NAME.

To write one, compile any language to WASI: a preview1 module or a WASI 0.2
component. krew-wasm build compiles Go programs.
To try it without installing it: krew-wasm run ./x.wasm -- ARGS

To publish it: krew-wasm push FILE REF
A file plugin.yaml beside it describes it:

  version: "1.2.0"
  description: Decodes Secrets
  licenses: Apache-2.0
  source: https://github.com/acme/decoder
  grants:                 # what it asks for; the user decides
    why: Reads your manifests
    read: [~/manifests]
    env: [EDITOR]
    cluster: read-only    # none, read-only, full, or rules: [...]
    maxMemory: 512Mi
`;
