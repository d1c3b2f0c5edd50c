/** `krew-wasm help grants` */
export const GRANTS = `GRANTS

Every plugin gets its arguments and streams, a private directory, your
environment without variables that look like credentials, a kubeconfig without
credentials, and the API server of your current context, as you.

These flags of pull, run and grants change that. A denial wins.

  --allow-read=PATH    --deny-read=PATH    read a file or directory; HOST::GUEST
                                           shows it under another path
  --allow-write=PATH   --deny-write=PATH   read and change it
  --allow-home         --deny-home         all of your home directory
  --allow-env=NAMES    --deny-env=NAMES    these variables only; '*' for all
  --allow-kubeconfig   --deny-kubeconfig   the real kubeconfig, with credentials
  --allow-cluster=…    --deny-cluster=…    see below
  --allow-listen=PORTS --deny-listen       accept connections from this machine
  --allow-terminal     --deny-terminal     use the terminal (allowed)
  --allow-completion   --deny-completion   complete its arguments (allowed)
  --allow-all          --deny-all          all of the above
  --max-memory=SIZE                        such as 512Mi (4Gi)
  --no-prompt                              never ask at the terminal

--allow-cluster takes none, read-only, full (the default), a YAML file with the
rules of a Role, or a rule VERBS:RESOURCES@NAMESPACES:

  list,watch:pods,deployments.apps@demo    create:pods/exec    get:secrets[db]

The first rule replaces full access; later rules add to it. --deny-cluster takes
all, a file, or a rule.

Flags of pull and grants hold for every run, those of run for one run. At a
terminal krew-wasm asks when a grant is missing. A publisher can ask for grants;
pull shows them and asks you.

Examples:
  krew-wasm grants decoder --explain
  krew-wasm grants decoder --allow-read=~/manifests --allow-cluster=read-only
  krew-wasm grants decoder --deny-cluster='*:secrets'
  krew-wasm grants decoder --reset
`;
