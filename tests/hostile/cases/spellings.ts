import assert from "node:assert/strict";
import type { Group } from "../case.ts";

/** Each line is an attempt. */
function lines(...attempts: readonly string[]): string[] {
  return attempts.flatMap((line) => [...line.split(" "), ","]).slice(0, -1);
}

/** Protected files in another spelling, on a case-insensitive file system. */
export const SPELLINGS: Group = {
  title: "protected files in another spelling, on a case-insensitive file system",
  cases: [
    {
      tries: "move or change the store",
      granted: "--allow-home",
      attack: lines(
        "rename $HOME/.KREW-WASM $WORK/kw2",
        "rename $HOME/.Krew-Wasm/BIN $WORK/kw2",
        "write $HOME/.KREW-WASM/bin/kubectl-attack evil",
        "write $HOME/.krew-wasm/BIN/KUBECTL-ATTACK evil",
        "create $HOME/.KREW-WASM/bin/kubectl-x evil",
        "write $HOME/.krew-wasm/RECEIPTS/Attack.JSON {}",
        "unlink $HOME/.KREW-WASM/Receipts/attack.json",
        "rename $WORK/bait $HOME/.KREW-WASM/Bin/kubectl-attack",
        "link $HOME/.Krew-Wasm/receipts/attack.json $WORK/l",
        "mkdir $HOME/.KREW-WASM/bin/d",
      ),
      sees: "refused",
    },
    {
      tries: "move or change the kubeconfig, and what else kubectl obeys",
      granted: "--allow-home",
      attack: lines(
        "rename $HOME/.KUBE $WORK/k2",
        "append $HOME/.KUBE/CONFIG x",
        "unlink $HOME/.Kube/Config",
        "rename $WORK/bait $HOME/.KUBE/CONFIG",
        "create $HOME/.KUBE/KubeRC x",
        "create $HOME/.kube/.KUBECONFIG x",
        "rename $WORK/sub $HOME/.DOCKER",
        "write $HOME/.Docker/Config.Json {}",
        "mkdir $HOME/.CONFIG/Containers",
      ),
      sees: "refused",
    },
    {
      tries: "read the kubeconfig",
      granted: "--allow-home",
      async run(stage) {
        const { stdout } = await stage.attack(
          "preview1",
          lines("read $HOME/.KUBE/CONFIG", "read $HOME/.Kube/config"),
          {
            granted: "--allow-home",
          },
        );
        assert.ok(!stdout.includes(stage.api.token));
        return String(stdout.match(/krew-wasm-placeholder/g)?.length ?? 0);
      },
      sees: "2",
      shown: "the redacted kubeconfig",
    },
    {
      tries: "read and move denied files, and change protected ones",
      granted:
        "--allow-home --deny-read=$HOME/.SSH --deny-read=$HOME/.aws/CREDENTIALS --deny-write=$HOME/WORK/Sub",
      attack: lines(
        "read $HOME/.ssh/id_ed25519",
        "read $HOME/.Ssh/ID_ED25519",
        "list $HOME/.SSH",
        "mkdir $HOME/.sSH",
        "rename $HOME/.ssH $WORK/s2",
        "read $HOME/.AWS/credentials",
        "link $HOME/.aws/Credentials $WORK/l",
        "rename $HOME/.AWS $WORK/a2",
        "write $WORK/SUB/bait x",
        "rename $WORK/sub $WORK/s3",
        "create $WORK/sub/New x",
      ),
      sees: "refused",
    },
    {
      tries: "use its own files, in any spelling",
      granted: "--allow-home",
      attack: lines("read $WORK/BAIT", "write $WORK/Bait x", "read $WORK/bait", "unlink $WORK/SUB/BAIT"),
      changes: ["$WORK"],
      sees: "bait; ok; x; ok",
    },
  ],
};
