/** The credentials of a connection, of one kind only (client-go's clientcmd and rest packages). */

import { AppError } from "../../base/errors.ts";
import { printable } from "../../base/text.ts";
import type { Connection } from "./connection.ts";
import { type ConnectionFiles, kubeconfigInvalid, pemOf } from "./connection_files.ts";
import type { ExecEntry, Sourced, UserEntry } from "./kubeconfig.ts";
import { absolute, type ConnectionFlags } from "./kubectl_flags.ts";

/** Whether flags name a user or its credentials. */
export function hasUserFlags(flags: ConnectionFlags): boolean {
  return [flags.token, flags.username, flags.password, flags.clientCertificate, flags.clientKey]
    .some((flag) => flag !== undefined);
}

/** The user's credentials, of one kind only. */
export function credentialsOf(
  files: ConnectionFiles,
  user: Sourced<UserEntry> | undefined,
  execConfig: unknown,
): Pick<Connection, "certificate" | "certificateFiles" | "token" | "tokenFile" | "basic" | "exec"> {
  const { flags } = files;
  const person = user?.entry;
  const where = user?.where ?? "--user";
  if (person?.authProvider !== undefined) throw authProviderGone(where, person.authProvider);
  const cert = pemOf(
    files,
    user,
    "client-certificate",
    flags.clientCertificate,
    person?.clientCertificateData,
    person?.clientCertificate,
  );
  // A key alone is ignored, as in client-go.
  const key = cert === undefined
    ? undefined
    : pemOf(files, user, "client-key", flags.clientKey, person?.clientKeyData, person?.clientKey);
  if (cert !== undefined && key === undefined) {
    if (flags.clientCertificate === undefined) {
      kubeconfigInvalid(`${where}.client-key`, "is missing: there is a client-certificate");
    } else kubeconfigInvalid("--client-certificate", "has no --client-key");
  }
  const certificate = cert === undefined ? undefined : { cert: cert.text, key: key!.text };
  const certificateFiles = cert?.path === undefined || key?.path === undefined
    ? undefined
    : { cert: cert.path, key: key.path };
  const token = flags.token ?? person?.token;
  const tokenFile = person?.tokenFile === undefined ? undefined : absolute(person.tokenFile, user!.directory);
  const username = flags.username ?? person?.username;
  const password = flags.password ?? person?.password;
  const basic = username === undefined && password === undefined
    ? undefined
    : { username: username ?? "", password: password ?? "" };
  if (basic && (token !== undefined || tokenFile !== undefined)) {
    kubeconfigInvalid(where, "has both a token and a username: only one can be sent");
  }
  const other = certificate !== undefined || token !== undefined || tokenFile !== undefined ||
    basic !== undefined;
  const exec = person?.exec && {
    entry: checkedExec(person.exec, `${where}.exec`),
    where: `${where}.exec`,
    directory: user!.directory,
    config: execConfig,
  };
  return {
    certificate,
    certificateFiles,
    token,
    tokenFile: flags.token === undefined ? tokenFile : undefined,
    basic,
    exec: other ? undefined : exec,
  };
}

/** Replacements for client-go's built-in providers (Kubernetes 1.26 removed the last vendors' ones). */
const REPLACEMENTS: Readonly<Record<string, string>> = {
  gcp:
    "gke-gcloud-auth-plugin replaced it: gcloud container clusters get-credentials writes a user with exec",
  azure: "kubelogin replaced it: kubelogin convert-kubeconfig writes a user with exec",
  oidc:
    "an exec credential plugin replaced it: kubectl oidc-login setup (kubelogin) shows the user with exec to write",
  openstack: "client-keystone-auth replaced it, as an exec credential plugin",
};

function authProviderGone(where: string, name: string): AppError {
  return new AppError(
    "CLUSTER_UNSUPPORTED",
    `${where}.auth-provider "${
      printable(name, 100)
    }" is not supported: exec credential plugins replaced auth-provider`,
    {
      hint: (Object.hasOwn(REPLACEMENTS, name) ? REPLACEMENTS[name] : undefined) ??
        "your provider's guide names its exec credential plugin",
    },
  );
}

const EXEC_VERSIONS = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];
const INTERACTIVE_MODES = ["Never", "IfAvailable", "Always"];

/** @throws AppError KUBECONFIG_INVALID with the field that is missing or wrong */
function checkedExec(entry: ExecEntry, where: string): ExecEntry {
  if (entry.command === "") kubeconfigInvalid(`${where}.command`, "is missing");
  if (entry.apiVersion === "") kubeconfigInvalid(`${where}.apiVersion`, "is missing");
  if (!EXEC_VERSIONS.includes(entry.apiVersion)) {
    kubeconfigInvalid(
      `${where}.apiVersion`,
      `"${printable(entry.apiVersion, 100)}" is not one of ${EXEC_VERSIONS.join(", ")}`,
    );
  }
  entry.env.forEach(({ name }, index) => {
    if (name === "") kubeconfigInvalid(`${where}.env[${index}].name`, "is missing");
  });
  if (entry.interactiveMode === "") {
    if (entry.apiVersion !== EXEC_VERSIONS[1]) {
      kubeconfigInvalid(`${where}.interactiveMode`, `is missing: one of ${INTERACTIVE_MODES.join(", ")}`);
    }
    return { ...entry, interactiveMode: "IfAvailable" };
  }
  if (!INTERACTIVE_MODES.includes(entry.interactiveMode)) {
    const shown = printable(entry.interactiveMode, 100);
    kubeconfigInvalid(`${where}.interactiveMode`, `"${shown}" is not one of ${INTERACTIVE_MODES.join(", ")}`);
  }
  return entry;
}
