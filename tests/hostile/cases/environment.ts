import assert from "node:assert/strict";
import type { Form, Group } from "../case.ts";
import type { Stage } from "../stage.ts";

/** Reads the kubeconfig by a path and says which one it is. */
async function kubeconfigAt(stage: Stage, form: Form, path: string, granted?: string): Promise<string> {
  const { stdout } = await stage.attack(form, ["read", path], { granted });
  if (stdout.includes(stage.api.token)) return "the user's token";
  try {
    const { users, clusters } = JSON.parse(stdout);
    assert.equal(clusters[0].cluster.server, stage.api.server);
    return users[0].user.token ? "the redacted kubeconfig" : stdout;
  } catch {
    return stdout.trim();
  }
}

/** Credentials outside of files: the environment, the kubeconfig, the host's memory. */
export const ENVIRONMENT: Group = {
  title: "credentials",
  cases: [
    {
      tries: "read credentials from the environment",
      attack: [
        "AWS_SECRET_ACCESS_KEY",
        "GITHUB_TOKEN",
        "DB_PASSWORD",
        "SSH_AUTH_SOCK",
        "HTTPS_PROXY_PASSWORD",
      ].flatMap((name) => [
        "getenv",
        name,
        ",",
      ]),
      sees: "unset; unset; unset; unset; unset",
      shown: "unset",
    },
    {
      tries: "read more of the environment than it was granted",
      granted: "--allow-env=LANG",
      env: { LANG: "C.UTF-8", HARMLESS: "x" },
      attack: ["env"],
      sees: "LANG=C.UTF-8",
    },
    {
      tries: "read a denied variable of a granted environment",
      granted: "--allow-env=* --deny-env=GITHUB_TOKEN,AWS_SECRET_ACCESS_KEY,DB_PASSWORD",
      attack: [
        "getenv",
        "GITHUB_TOKEN",
        ",",
        "getenv",
        "AWS_SECRET_ACCESS_KEY",
        ",",
        "getenv",
        "DB_PASSWORD",
      ],
      sees: "unset; unset; unset",
      shown: "unset",
    },
    {
      tries: "read the environment of the process",
      granted: "--allow-all --allow-env=LANG",
      attack: [
        "read",
        "/proc/self/environ",
        ",",
        "read",
        "/proc/thread-self/environ",
        ",",
        "read",
        "/proc/self/task/../environ",
      ],
      sees: "refused",
    },
    {
      tries: "read or write the memory of the process",
      granted: "--allow-all",
      attack: [
        "read",
        "/proc/self/mem",
        ",",
        "append",
        "/proc/self/mem",
        "x",
        ",",
        "read",
        "/proc/self/maps",
        ",",
        "read",
        "/proc/thread-self/mem",
      ],
      sees: "refused",
    },
    {
      tries: "reach files by the process's own descriptors",
      granted: "--allow-read=$WORK",
      attack: [
        "list",
        "/proc/self/fd",
        ",",
        "read",
        "/proc/self/root/etc/passwd",
        ",",
        "read",
        "/proc/self/cwd/.netrc",
        ",",
        "read",
        "/dev/fd/0",
      ],
      sees: "refused",
    },
    {
      tries: "find the user's token in the kubeconfig",
      run: (stage, form) => kubeconfigAt(stage, form, "$HOME/.kube/config"),
      component: "the redacted kubeconfig",
      sees: "the redacted kubeconfig",
    },
    {
      tries: "read the kubeconfig under another name: a hard link",
      granted: "--allow-home",
      prepare: ({ home, work }) => Deno.linkSync(`${home}/.kube/config`, `${work}/copy`),
      run: (stage, form) => kubeconfigAt(stage, form, "$WORK/copy", "--allow-home"),
      changes: ["$WORK"],
      component: "the redacted kubeconfig",
      sees: "the redacted kubeconfig",
    },
    {
      tries: "read the kubeconfig under another name: a link, a directory's link, ..",
      granted: "--allow-home",
      prepare: ({ work }) => {
        Deno.symlinkSync("../.kube/config", `${work}/link`);
        Deno.symlinkSync("../.kube", `${work}/directory`);
      },
      run: async (stage, form) =>
        (await Promise.all(
          ["$WORK/link", "$WORK/directory/config", "$WORK/../.kube/./config"].map((path) =>
            kubeconfigAt(stage, form, path, "--allow-home")
          ),
        )).join("; "),
      changes: ["$WORK"],
      component: "the redacted kubeconfig; the redacted kubeconfig; the redacted kubeconfig",
      sees: "the redacted kubeconfig; the redacted kubeconfig; the redacted kubeconfig",
      shown: "the redacted kubeconfig",
    },
    {
      tries: "give the kubeconfig another name: a hard link or a rename",
      granted: "--allow-home",
      attack: [
        "link",
        "$HOME/.kube/config",
        "$WORK/copy",
        ",",
        "rename",
        "$HOME/.kube/config",
        "$WORK/copy",
        ",",
        "rename",
        "$HOME/.kube",
        "$WORK/copy",
      ],
      sees: "refused",
    },
    {
      tries: "send the user to another server: change the kubeconfig",
      granted: "--allow-home",
      attack: [
        ...[
          "write",
          "$HOME/.kube/config",
          "{}",
          ",",
          "append",
          "$HOME/.kube/config",
          "x",
          ",",
          "unlink",
          "$HOME/.kube/config",
          ",",
        ],
        ...["truncate", "$HOME/.kube/config", "0", ",", "rename", "$WORK/bait", "$HOME/.kube/config"],
      ],
      // Writes stay in the memory of the run (runtime/sandbox/kubeconfig_changes.ts).
      sees: "ok; ok; ok; refused; refused",
      shown: "changes a copy; the file stays the same",
    },
    {
      tries: "make a kubeconfig where the user has none yet",
      granted: "--allow-home",
      env: { KUBECONFIG: "/none/of/it:~/x" },
      attack: [
        "write",
        "$HOME/~/x",
        "{}",
        ",",
        "create",
        "$HOME/~/x",
        "{}",
        ",",
        "symlink",
        "work/bait",
        "$HOME/~/x",
      ],
      prepare: ({ home }) => Deno.mkdirSync(`${home}/~`, { recursive: true }),
      sees: "refused",
    },
    {
      tries: "read a kubeconfig that is not in use",
      granted: "--allow-home",
      env: { KUBECONFIG: "/none/of/it" },
      attack: ["read", "$HOME/.kube/config", ",", "write", "$HOME/.kube/config", "{}"],
      sees: "empty; EROFS",
      shown: "an empty file, and refused",
    },
    {
      tries: "see the real kubeconfig when it is both granted and denied",
      granted: "--allow-kubeconfig --deny-kubeconfig",
      run: (stage, form) =>
        kubeconfigAt(stage, form, "$HOME/.kube/config", "--allow-kubeconfig --deny-kubeconfig"),
      component: "the redacted kubeconfig",
      sees: "the redacted kubeconfig",
    },
  ],
};
