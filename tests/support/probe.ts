// deno-lint-ignore-file no-console -- a script talks to who runs it

/** `probe.ts CONFIG ARGS...`: one GET /version in a process of its own; prints the status, or the error's code. */

import { openCluster } from "../../runtime/kube/open_cluster.ts";

const [config = "", ...args] = Deno.args;
const access = openCluster({ env: { KUBECONFIG: config }, args, home: "/none", cwd: "/", trace: () => {} });
try {
  const cluster = await access.cluster();
  if (Deno.env.get("UPGRADE")) {
    await cluster.upgrade({ url: "/x", headers: [], protocols: [] });
    console.log("upgraded");
  }
  const response = await cluster.send({ method: "GET", url: "/version", headers: [] });
  console.log(response.status, JSON.parse(await new Response(response.body).text()).major);
} catch (error) {
  console.log((error as { code?: string }).code ?? error);
}
Deno.exit(0);
