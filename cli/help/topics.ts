/** The topics of `krew-wasm help TOPIC`. Each text is loaded when it is asked for. */

/** A topic: what it is about, and its text for a terminal of 80 columns. */
export interface Topic {
  readonly about: string;
  readonly text: () => Promise<string>;
}

/** All topics, by name. */
export const TOPICS: Readonly<Record<string, Topic>> = {
  "grants": {
    about: "what a plugin may do, and the flags that change it",
    text: async () => (await import("./grants.ts")).GRANTS,
  },
  "guard-rails": {
    about: "see what a plugin would change on the cluster",
    text: async () => (await import("./guard_rails.ts")).GUARD_RAILS,
  },
  "policy": {
    about: "limits for all plugins, by the administrator or by you",
    text: async () => (await import("./policy.ts")).POLICY,
  },
  "signatures": {
    about: "accept only plugins signed by people you trust",
    text: async () => (await import("./signatures.ts")).SIGNATURES,
  },
  "registries": {
    about: "references, credentials, mirrors, private authorities",
    text: async () => (await import("./registries.ts")).REGISTRIES,
  },
  "plugins": {
    about: "names, versions, indexes; how to write and publish one",
    text: async () => (await import("./plugins.ts")).PLUGINS,
  },
  "environment": {
    about: "variables and files that krew-wasm reads",
    text: async () => (await import("./environment.ts")).ENVIRONMENT,
  },
  "exit-codes": {
    about: "what an exit code means",
    text: async () => (await import("./exit_codes.ts")).EXIT_CODES,
  },
};
