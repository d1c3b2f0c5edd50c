/**
 * The errors that users see. Tests and scripts rely on the code; the message is prose.
 *
 * A message is sentence case without a final period, and contains the value at fault: `Cannot pull "ghcr.io/x/y:1": the
 * registry answered 404`.
 */

/** Every code an {@linkcode AppError} can have. */
export type ErrorCode =
  // wrong usage of the command line
  | "USAGE"
  | "REFERENCE_INVALID"
  | "NAME_INVALID"
  | "GRANT_INVALID"
  // registry
  | "REGISTRY_UNREACHABLE"
  | "REGISTRY_UNAUTHORIZED"
  | "REGISTRY_FORBIDDEN"
  | "REGISTRY_NOT_FOUND"
  | "REGISTRY_RATE_LIMITED"
  | "REGISTRY_FAILED"
  | "REGISTRY_UNSUPPORTED"
  | "REGISTRY_PROTOCOL"
  | "REGISTRY_CREDENTIALS"
  | "DIGEST_MISMATCH"
  | "MANIFEST_INVALID"
  | "ARTIFACT_UNSUPPORTED"
  | "WASM_INVALID"
  | "COMPILE_FAILED"
  | "TOO_LARGE"
  | "REGISTRIES_INVALID"
  | "SIGNATURE_MISSING"
  | "SIGNATURE_UNTRUSTED"
  | "SIGNATURE_EXPIRED"
  | "SIGNATURE_INVALID"
  | "TRUST_INVALID"
  // store
  | "ALREADY_INSTALLED"
  | "NOT_INSTALLED"
  | "RECEIPT_INVALID"
  | "STORE_CORRUPT"
  | "STORE_LOCKED"
  | "STORE_FAILED"
  | "STORE_UNSAFE"
  | "STORE_NEWER"
  | "VERSION_UNKNOWN"
  | "LOCK_INVALID"
  | "GRANTS_UNCONFIRMED"
  | "BUNDLE_INVALID"
  | "INDEX_INVALID"
  | "INDEX_UNKNOWN"
  | "NAME_AMBIGUOUS"
  | "NO_HOME"
  // cluster
  | "KUBECONFIG_INVALID"
  | "KUBECONFIG_UNREADABLE"
  | "KUBECONFIG_UNCHANGED"
  | "NO_CLUSTER"
  | "CONTEXT_NOT_FOUND"
  | "CREDENTIALS_FAILED"
  | "DESTINATION_REFUSED"
  | "LISTEN_REFUSED"
  | "REQUEST_INVALID"
  | "CLUSTER_UNREACHABLE"
  | "CLUSTER_TLS"
  | "CLUSTER_UNSUPPORTED"
  // the administrator's policy
  | "POLICY_INVALID"
  | "POLICY_REFUSED"
  | "WALL_MISSING"
  // running
  | "FILE_UNREADABLE"
  | "OUTPUT_FAILED"
  // building
  | "SELF_UPDATE_FAILED"
  | "BUILD_FAILED"
  | "GO_UNUSABLE"
  | "PLUGIN_UNSUPPORTED"
  | "PLUGIN_TRAPPED"
  | "INTERNAL";

const MISUSE: ReadonlySet<ErrorCode> = new Set([
  "USAGE",
  "REFERENCE_INVALID",
  "NAME_INVALID",
  "GRANT_INVALID",
]);

/** A failure with a stable code, a message, and a hint if the user can fix it. */
export class AppError extends Error {
  override readonly name = "AppError";
  /** What the user can do, one line, without `hint:` in front. */
  readonly hint: string | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: { readonly hint?: string | undefined; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.hint = options.hint;
  }
}

/** The process's exit code for a failed command: 2 for wrong usage, otherwise 1. */
export function exitCodeOf(error: unknown): number {
  return error instanceof AppError && MISUSE.has(error.code) ? 2 : 1;
}

/** The first line of a parser's message, without the colon that introduces an excerpt. */
export function firstLineOf(error: unknown): string {
  return messageOf(error).split("\n", 1)[0]!.replace(/:$/, "");
}

/** The text of any thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
