/** Pushes through the distribution API: missing blobs first, then manifests under their tags. */

import { AppError } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import { type Endpoint, isSuccess, pullScope, pushScope } from "./authorized_requests.ts";
import type { Blob } from "./artifact.ts";
import { claimedDigest, type RegistryClient, taskOf } from "./registry_client.ts";
import { digestOf } from "./digest.ts";
import type { Task } from "./registry_failure.ts";
import { redirectTarget } from "./redirect.ts";
import type { Reference } from "./mirrored_reference.ts";
import type { Answer } from "./answer.ts";

/** Options for pushing a blob. */
export interface PushOptions {
  /** Repositories of the same registry that may already have the blob. */
  readonly mountFrom?: readonly string[];
  /** Called with the bytes sent and their total. */
  readonly progress?: (done: number, total: number) => void;
}

/** What the push of a blob did. */
export type Pushed = "sent" | "mounted" | "there";

/** Blobs of this size or more are sent as a stream, smaller ones in one request. Bytes. */
const STREAM_FROM = 4 << 20;
const PIECE = 256 << 10;

/** Pushes a blob to a reference's repository. @throws AppError REGISTRY_… */
export async function pushBlob(
  client: RegistryClient,
  reference: Reference,
  blob: Blob,
  { mountFrom = [], progress = () => {} }: PushOptions = {},
): Promise<Pushed> {
  const endpoint = await client.own(reference);
  const task = taskOf("push", reference);
  const untried = mountFrom.filter((from) => from !== endpoint.repository);
  return await client.retry(task, async () => {
    if (await isThere(client, task, endpoint, blob)) return "there";
    let place: URL | undefined;
    // Each mount is tried once, even if the push is retried.
    while (place === undefined && untried.length > 0) {
      const answer = await mount(client, task, endpoint, blob, untried.shift()!);
      if (answer === "mounted") return "mounted";
      place = answer;
    }
    await upload(client, task, endpoint, place, blob, progress);
    return "sent";
  });
}

/** Statuses that request() handles: redirects, authorization and retries. */
const ASKED_AGAIN = [301, 302, 303, 307, 308, 401, 408, 429];

/** Whether a repository has a blob. If the registry or its storage gives no clear answer, the blob is sent. */
async function isThere(
  { access }: RegistryClient,
  task: Task,
  endpoint: Endpoint,
  { digest }: Blob,
): Promise<boolean> {
  try {
    const head = await access.request(task, endpoint, `/v2/${endpoint.repository}/blobs/${digest}`, {
      method: "HEAD",
      expect: (status) => !ASKED_AGAIN.includes(status),
      scopes: [pushScope(endpoint.repository)],
    });
    await head.discard();
    return head.status === 200;
  } catch (error) {
    // The registry may redirect to a place that krew-wasm refuses.
    if (error instanceof AppError && error.code === "REGISTRY_PROTOCOL") return false;
    throw error;
  }
}

/**
 * Mounts a blob from another repository, which saves sending it. After any failure the blob can still be sent.
 *
 * @returns where the registry began an upload instead; undefined if it did not
 */
async function mount(
  { access }: RegistryClient,
  task: Task,
  endpoint: Endpoint,
  { digest }: Blob,
  from: string,
): Promise<"mounted" | URL | undefined> {
  const path = uploadsOf(endpoint);
  path.search = `${new URLSearchParams({ mount: digest, from })}`;
  try {
    const answer = await access.request(
      task,
      endpoint,
      path,
      {
        method: "POST",
        headers: { "content-length": "0" },
        expect: [201, 202],
        scopes: [pushScope(endpoint.repository), pullScope(from)],
      },
    );
    await answer.discard();
    return answer.status === 201 ? "mounted" : placeOf(task, path, answer);
  } catch {
    return undefined; // a failure of more than the mount also ends the upload, which reports it
  }
}

/** The URL that starts an upload to a repository. */
function uploadsOf({ origin, repository }: Endpoint): URL {
  return new URL(`/v2/${repository}/blobs/uploads/`, origin);
}

/**
 * The upload's location in an answer; undefined if there is none. @throws AppError REGISTRY_PROTOCOL for a refused
 * place
 */
function placeOf(task: Task, from: URL, answer: Answer): URL | undefined {
  const location = answer.header("location");
  return location ? redirectTarget(task, from, location) : undefined;
}

/** @param begun location of an upload that was already started; without it this starts one */
async function upload(
  { access }: RegistryClient,
  task: Task,
  endpoint: Endpoint,
  begun: URL | undefined,
  { bytes, digest, size }: Blob,
  progress: (done: number, total: number) => void,
): Promise<void> {
  const scopes = [pushScope(endpoint.repository)];
  let place = begun;
  if (place === undefined) {
    const from = uploadsOf(endpoint);
    const started = await access.request(task, endpoint, from, {
      method: "POST",
      headers: { "content-length": "0" },
      expect: isSuccess,
      scopes,
    });
    await started.discard();
    place = placeOf(task, from, started);
    if (place === undefined) {
      throw new AppError("REGISTRY_PROTOCOL", `${task.failed}: the registry does not say where to upload to`);
    }
  }
  let url = place;
  const headers = { "content-type": "application/octet-stream" };
  const large = size >= STREAM_FROM;
  if (large) {
    // Like docker's push, which every registry accepts: one stream, then its digest.
    const sent = await access.request(task, endpoint, url, {
      method: "PATCH",
      headers,
      body: () => pieces(bytes, progress),
      expect: isSuccess,
      scopes,
    });
    await sent.discard();
    // Without a new location, the upload continues at the same one.
    url = placeOf(task, url, sent) ?? url;
  }
  // Appended as text: the registry may have signed its query, so its spelling must not change.
  url.search = `${url.search === "" ? "?" : `${url.search}&`}digest=${encodeURIComponent(digest)}`;
  const done = await access.request(task, endpoint, url, {
    method: "PUT",
    headers,
    body: () => large ? new Uint8Array() : bytes,
    expect: isSuccess,
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
 * Puts a manifest under a tag, or under its digest if the reference has no tag. The registry must already have its
 * blobs.
 *
 * @returns its digest, and whether the registry recorded it as a referrer of its subject
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
        expect: isSuccess,
        scopes: [pushScope(endpoint.repository)],
      },
    );
    await answer.discard();
    const claimed = claimedDigest(answer);
    if (claimed !== undefined && claimed !== digest) {
      throw new AppError(
        "DIGEST_MISMATCH",
        `${task.failed}: the registry made ${printable(claimed, 100)} of the manifest ${digest}`,
      );
    }
    return { digest, referrer: answer.header("oci-subject") === null ? false : true };
  });
}
