/** What authenticates a user to a registry. */

/** Credentials for one registry. */
export type RegistryCredentials =
  | { readonly kind: "basic"; readonly username: string; readonly password: string }
  /** A refresh token, for the token endpoint only. */
  | { readonly kind: "identity"; readonly token: string }
  /** A bearer token for the registry itself. */
  | { readonly kind: "registry"; readonly token: string };
