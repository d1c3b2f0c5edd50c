/** `krew-wasm help environment` */
export const ENVIRONMENT = `ENVIRONMENT

krew-wasm reads these variables:

  KREW_WASM_ROOT            the store (~/.krew-wasm)
  KREW_WASM_VERBOSE=1       trace to stderr, as -v does, also for plugins
  KREW_WASM_NO_PROMPT=1     never ask at the terminal
  KREW_WASM_WHAT_IF=1       show what a plugin would change on the cluster
  KREW_WASM_LOG=requests    record every request of a run (krew-wasm log)
  KREW_WASM_REQUIRE_WALLS=kernel
                            run nothing without the kernel's restrictions
  NO_COLOR, CLICOLOR_FORCE  no colours; colours in pipes, too (also --color)
  KUBECONFIG                the kubeconfig, as for kubectl
  DOCKER_CONFIG, REGISTRY_AUTH_FILE, DOCKER_AUTH_CONFIG
                            credentials for registries
  COSIGN_PASSWORD           the password of the key of push --sign
  HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY
                            proxies
  SOURCE_DATE_EPOCH         the date in what push writes

A plugin does not see variables whose name looks like a credential
(krew-wasm grants NAME --allow-env=A,B shows it just those).

Files:

  ~/.krew-wasm/bin          the plugins' links; put it on PATH
  ~/.krew-wasm/data/NAME    a plugin's private directory
  ~/.krew-wasm/registries.yaml, policy.yaml, trusted_root.json
                            your settings
  /etc/krew-wasm/policy.yaml, trusted_root.json
                            the administrator's settings
`;
