/** Where and as whom to connect: what a transport needs of a chosen context. */

import type { ExecEntry } from "./kubeconfig.ts";

/** A client certificate, PEM. */
export interface ClientCertificate {
  readonly cert: string;
  readonly key: string;
}

/** An exec credential plugin. */
export interface ExecPlugin {
  readonly entry: ExecEntry;
  /** `FILE: users[2].exec`, for errors. */
  readonly where: string;
  /** The kubeconfig's directory: a command with a slash is relative to it. */
  readonly directory: string;
  /** The value of the cluster's extension `client.authentication.k8s.io/exec`. */
  readonly config: unknown;
  /** Returns the program to start if kuberc allows the command. @throws AppError CREDENTIALS_FAILED */
  readonly allowed?: (command: string) => string;
}

/** Where and as whom to connect. Contains secrets: it never leaves the host's side. */
export interface Connection {
  readonly context: string;
  readonly namespace: string;
  /** Without a trailing slash, and without credentials. */
  readonly server: string;
  /** PEM. If set, these are the only roots; otherwise the system's roots count. */
  readonly ca: string | undefined;
  /** Absolute path, if it comes from a file. */
  readonly caFile?: string | undefined;
  readonly tlsServerName: string | undefined;
  readonly insecureSkipTlsVerify: boolean;
  /** The cluster's own proxy: http, https or socks5. It may contain a user name and a password. */
  readonly proxyUrl: string | undefined;
  readonly disableCompression: boolean;
  readonly certificate: ClientCertificate | undefined;
  /** Absolute paths, if both come from files, which may rotate. */
  readonly certificateFiles?: ClientCertificate | undefined;
  readonly token: string | undefined;
  /** Wins over the token if it can be read. */
  readonly tokenFile: string | undefined;
  readonly basic: { readonly username: string; readonly password: string } | undefined;
  /** Set only if the user has no other credentials. */
  readonly exec: ExecPlugin | undefined;
  readonly impersonate: readonly (readonly [header: string, value: string])[];
  /** Milliseconds for a whole request; undefined for no limit. */
  readonly requestTimeout: number | undefined;
  /** The prefix of a field's name in errors: `FILE: clusters[0].`, or `--` of a flag. */
  readonly where?: { readonly cluster: string; readonly user: string };
}
