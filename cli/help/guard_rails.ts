/** `krew-wasm help guard-rails` */
export const GUARD_RAILS = `GUARD RAILS

See what a plugin would change, before anything changes:

  krew-wasm run --what-if NAME -- ARGS
  KREW_WASM_WHAT_IF=1 kubectl NAME ARGS

Each write leaves as a dry run, and the API server answers it. At the end there
is a diff for each change. What cannot be tried (exec, attach, port-forward,
proxies, service account tokens, aggregated servers) is refused and listed.

  -o json, KREW_WASM_WHAT_IF=json    what would change, for scripts

What-if is about the cluster: files that you granted are written as usual.
Values of Secrets are hidden. The plugin's grants hold as usual.

Every request has the User-Agent kubectl-NAME/VERSION krew-wasm/VERSION, by
which the API server's audit log tells plugins apart.
`;
