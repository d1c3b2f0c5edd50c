/** Users of a control plane with exactly the rules of a plugin's grant, and krew-wasm's own decision by the same rules. */

import { authorizeCluster } from "../../runtime/kube/allow/authorize_request.ts";
import type { ClusterRule } from "../../runtime/kube/allow/rules.ts";
import type { ControlPlane } from "./envtest.ts";

/** A request to compare. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  /** JSON, or a text. */
  readonly body?: unknown;
  readonly type?: string;
}

/** The API server's answer. */
export interface Answered {
  readonly status: number;
  /** The message of a Status, or the beginning of the body. */
  readonly message: string;
}

const RBAC = "rbac.authorization.k8s.io";
const RBAC_API = `/apis/${RBAC}/v1`;

/** Sends requests to a control plane as its admin, and as other users, whom the admin impersonates. */
export class RbacPlane implements Disposable {
  #client: Deno.HttpClient;
  #users = 0;

  constructor(readonly plane: ControlPlane) {
    this.#client = Deno.createHttpClient({ caCerts: [plane.authority.cert], http2: false, ...plane.admin });
  }

  async ask({ method, path, body, type = "application/json" }: Asked, user?: string): Promise<Answered> {
    const response = await fetch(this.plane.server + path, {
      method,
      client: this.#client,
      headers: {
        ...(body === undefined ? {} : { "content-type": type }),
        ...(user === undefined ? {} : { "impersonate-user": user }),
      },
      ...(body === undefined ? {} : { body: encode(body) }),
      signal: AbortSignal.timeout(20_000),
    } as RequestInit);
    const { status } = response;
    if (status === 200 && /[?&]watch=|\/watch\//.test(path)) {
      await response.body?.cancel();
      return { status, message: "a watch" };
    }
    const text = await response.text();
    const message = /^\{/.test(text) ? (JSON.parse(text) as { message?: string }).message : undefined;
    return { status, message: message ?? text.slice(0, 200) };
  }

  /** Creates an object as the admin. Throws if the server refuses. */
  async make(path: string, body: unknown): Promise<void> {
    const { status, message } = await this.ask({ method: "POST", path, body });
    if (status >= 300 && status !== 409) throw new Error(`POST ${path}: ${status} ${message}`);
  }

  /** Creates a user with only these rules and everybody's. They take effect after {@linkcode settle}. */
  async user(rules: readonly ClusterRule[]): Promise<string> {
    const name = `user-${++this.#users}`;
    const subjects = [{ kind: "User", apiGroup: RBAC, name }];
    const bare = ({ namespaces: _, ...rule }: ClusterRule) => rule;
    const everywhere = rules.filter(({ namespaces }) => namespaces === undefined).map(bare);
    if (everywhere.length > 0) {
      await this.make(`${RBAC_API}/clusterroles`, { metadata: { name }, rules: everywhere });
      await this.make(`${RBAC_API}/clusterrolebindings`, {
        metadata: { name },
        subjects,
        roleRef: { apiGroup: RBAC, kind: "ClusterRole", name },
      });
    }
    for (const namespace of new Set(rules.flatMap(({ namespaces = [] }) => namespaces))) {
      const there = rules.filter(({ namespaces }) => namespaces?.includes(namespace)).map(bare);
      await this.make(`${RBAC_API}/namespaces/${namespace}/roles`, { metadata: { name }, rules: there });
      await this.make(`${RBAC_API}/namespaces/${namespace}/rolebindings`, {
        metadata: { name },
        subjects,
        roleRef: { apiGroup: RBAC, kind: "Role", name },
      });
    }
    return name;
  }

  /** Waits until the authorizer has seen all earlier objects, in each of the four kinds that it watches. */
  async settle(): Promise<void> {
    const rule = { verbs: ["get"], apiGroups: [""], resources: ["configmaps"] };
    const user = await this.user([rule, { ...rule, namespaces: ["default"], resources: ["pods"] }]);
    for (const resource of ["configmaps", "pods"]) {
      const path = `/api/v1/namespaces/default/${resource}/not-there`;
      while ((await this.ask({ method: "GET", path }, user)).status !== 404) {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

/** krew-wasm's decision on a request under rules: the status of its answer, or 0 if it allows the request. */
export async function answerUnderRules(rules: readonly ClusterRule[], asked: Asked): Promise<Answered> {
  let passed = false;
  const guarded = authorizeCluster(
    {
      context: "",
      server: "https://server.test",
      namespace: "",
      send: () => {
        passed = true;
        return Promise.resolve({ status: 200, headers: [], body: null });
      },
      upgrade: () => Promise.reject(new Error("upgrade")),
      tunnel: () => Promise.reject(new Error("tunnel")),
      sockets: () => Promise.reject(new Error("sockets")),
    },
    "foo",
    () => ({ grant: { rules }, deny: false }),
    () => false,
  );
  const { method, path, body, type = "application/json" } = asked;
  const { status, body: answer } = await guarded.send({
    method,
    url: path,
    headers: body === undefined ? [] : [["content-type", type]],
    ...(body === undefined ? {} : { body: new TextEncoder().encode(encode(body)) }),
  });
  const message = answer === null ? "" : (await new Response(answer).json()).message;
  return { status: passed ? 0 : status, message };
}

function encode(body: unknown): string {
  return typeof body === "string" ? body : JSON.stringify(body);
}
