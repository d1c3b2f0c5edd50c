/** Pushing by the distribution API: blobs that are not there yet, then manifests under their tags. */

import { AppError } from "../runtime/errors.ts";
import { printable } from "../runtime/text.ts";
import { type Endpoint, pullScope, pushScope } from "./access.ts";
import type { Blob } from "./artifact.ts";
import { type RegistryClient, taskOf } from "./client.ts";
import { digestOf } from "./digest.ts";
import type { Task } from "./failure.ts";
import type { Reference } from "./reference.ts";

/** How blobs are pushed. */
export interface PushOptions {
  /** Repositories of the same registry that may have the blob already. */
  readonly mountFrom?: readonly string[];
  /** Bytes sent, of how many. */
  readonly progress?: (done: number, total: number) => void;
}

/** What became of a blob. */
export type Pushed = "sent" | "mounted" | "there";

/** From this size on a blob is sent as a stream; below it, in one request. */
const STREAM_FROM = 4 << 20;
const PIECE = 256 << 10;

/** Brings a blob into a reference's repository. @throws AppError REGISTRY_… */
export async function pushBlob(
  client: RegistryClient,
  reference: Reference,
  blob: Blob,
  { mountFrom = [], progress = () => {} }: PushOptions = {},
): Promise<Pushed> {
  const endpoint = await client.own(reference);
  const task = taskOf("push", reference);
  const { repository } = endpoint;
  const scopes = [pushScope(repository)];
  const { access } = client;
  return await client.retry(task, async () => {
    const head = await access.request(task, endpoint, `/v2/${repository}/blobs/${blob.digest}`, {
      method: "HEAD",
      expect: [200, 404],
      scopes,
    });
    await head.discard();
    if (head.status === 200) return "there";
    let location: string | null | undefined;
    for (const from of mountFrom) {
      if (from === repository) continue;
      const query = new URLSearchParams({ mount: blob.digest, from });
      const answer = await access.request(task, endpoint, `/v2/${repository}/blobs/uploads/?${query}`, {
        method: "POST",
        headers: { "content-length": "0" },
        expect: [201, 202],
        scopes: [...scopes, pullScope(from)],
      });
      await answer.discard();
      if (answer.status === 201) return "mounted";
      location = answer.header("location"); // it is not there: the registry began an upload instead
      if (location) break;
    }
    if (!location) {
      const started = await access.request(task, endpoint, `/v2/${repository}/blobs/uploads/`, {
        method: "POST",
        headers: { "content-length": "0" },
        expect: [202],
        scopes,
      });
      await started.discard();
      location = started.header("location");
    }
    await upload(client, task, endpoint, location, blob, scopes, progress);
    return "sent";
  });
}

async function upload(
  { access }: RegistryClient,
  task: Task,
  endpoint: Endpoint,
  location: string | null,
  { bytes, digest, size }: Blob,
  scopes: readonly string[],
  progress: (done: number, total: number) => void,
): Promise<void> {
  let url = access.target(task, new URL(endpoint.origin), location);
  const headers = { "content-type": "application/octet-stream" };
  const large = size >= STREAM_FROM;
  if (large) {
    // As docker pushes, which every registry takes: one stream, and then its digest.
    const sent = await access.request(task, endpoint, url, {
      method: "PATCH",
      headers,
      body: () => pieces(bytes, progress),
      expect: [202],
      scopes,
    });
    await sent.discard();
    url = access.target(task, url, sent.header("location"));
  }
  url.searchParams.set("digest", digest);
  const done = await access.request(task, endpoint, url, {
    method: "PUT",
    headers,
    body: () => large ? new Uint8Array() : bytes,
    expect: [201],
    scopes,
  });
  await done.discard();
  progress(size, size);
}

async function* pieces(
  bytes: Uint8Array<ArrayBuffer>,
  progress: (done: number, total: number) => void,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (let at = 0; at < bytes.length; at += PIECE) {
    progress(at, bytes.length);
    yield bytes.slice(at, at + PIECE);
  }
}

/**
 * Puts a manifest under a tag, or under its digest where the reference has no tag. Its blobs have to be there.
 *
 * @returns its digest, and whether the registry has noted it as a referrer of its subject
 * @throws AppError REGISTRY_…, DIGEST_MISMATCH
 */
export async function pushManifest(
  client: RegistryClient,
  reference: Reference,
  manifest: string,
  mediaType: string,
): Promise<{ readonly digest: string; readonly referrer: boolean }> {
  const endpoint = await client.own(reference);
  const task = taskOf("push", reference);
  const bytes = new TextEncoder().encode(manifest);
  const digest = digestOf(bytes);
  const name = reference.tag ?? digest;
  return await client.retry(task, async () => {
    const answer = await client.access.request(
      task,
      endpoint,
      `/v2/${endpoint.repository}/manifests/${name}`,
      {
        method: "PUT",
        headers: { "content-type": mediaType },
        body: () => bytes,
        expect: [200, 201, 202],
        scopes: [pushScope(endpoint.repository)],
      },
    );
    await answer.discard();
    const claimed = answer.header("docker-content-digest");
    if (claimed?.startsWith("sha256:") && claimed !== digest) {
      throw new AppError(
        "DIGEST_MISMATCH",
        `${task.failed}: the registry made ${printable(claimed, 100)} of the manifest ${digest}`,
      );
    }
    return { digest, referrer: answer.header("oci-subject") === null ? false : true };
  });
}
