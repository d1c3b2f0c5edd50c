/** `krew-wasm help policy` */
export const POLICY = `POLICY

The administrator limits all plugins of a machine in this file, which only root
may change. On Windows it is C:\\ProgramData\\krew-wasm\\policy.yaml.

  # /etc/krew-wasm/policy.yaml
  version: 1
  prompts: false              # never ask at a terminal (default: true)
  walls: kernel               # run nothing without the kernel's restrictions
  record: requests            # record every request (krew-wasm log)
  registries: [ghcr.io]       # default: all
  rules:                      # the first matching rule applies
    - match: ghcr.io/acme/**  # * matches within a part, ** across parts
      verify: /etc/krew-wasm/acme.pub  # see krew-wasm help signatures
      maximum:                # a missing field has no limit
        read: [~/src]
        write: []
        home: false
        env: default          # all, default, or names
        kubeconfig: false
        cluster: read-only    # none, read-only, full, or rules: [...]
        maxMemory: 2Gi
    - match: file://**        # krew-wasm run ./x.wasm
      allow: false
    - match: "**"
      allow: false

Limits hold at every run. A policy that cannot be read stops every plugin.

You can restrict yourself in the same way in policy.yaml in the store
(~/.krew-wasm), whose rules have match and verify only.

krew-wasm doctor checks both files.
`;
