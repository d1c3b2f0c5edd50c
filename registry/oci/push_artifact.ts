/** Pushing by the distribution API: blobs that are not there yet, then manifests under their tags. */

import { AppError } from "../../runtime/base/errors.ts";
import { printable } from "../../runtime/base/text.ts";
import { type Endpoint, isSuccess, pullScope, pushScope } from "./authorized_requests.ts";
import type { Blob } from "./artifact.ts";
import { claimedDigest, type RegistryClient, taskOf } from "./registry_client.ts";
import { digestOf } from "./digest.ts";
import type { Task } from "./registry_failure.ts";
import { redirectTarget } from "./redirect.ts";
import type { Reference } from "./mirrored_reference.ts";
import type { Answer } from "./registry_transport.ts";

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
  const untried = mountFrom.filter((from) => from !== endpoint.repository);
  return await client.retry(task, async () => {
    if (await isThere(client, task, endpoint, blob)) return "there";
    let place: URL | undefined;
    // Each is tried once, however often the push is.
    while (place === undefined && untried.length > 0) {
      const answer = await mount(client, task, endpoint, blob, untried.shift()!);
      if (answer === "mounted") return "mounted";
      place = answer;
    }
    await upload(client, task, endpoint, place, blob, progress);
    return "sent";
  });
}

/** What a HEAD is asked again for, with credentials, elsewhere or later. */
const ASKED_AGAIN = [301, 302, 303, 307, 308, 401, 408, 429];

/** Whether a repository has a blob. A registry, or its storage, that answers the question in no way is sent the blob. */
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
    // It may redirect to where we don't go.
    if (error instanceof AppError && error.code === "REGISTRY_PROTOCOL") return false;
    throw error;
  }
}

/**
 * Asks for a blob of another repository, which spares sending it. Whatever is wrong with that, the blob can still be sent.
 *
 * @returns where the registry has begun an upload instead; undefined where it has not
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
    return undefined; // what is wrong with more than the mount ends the upload, too, and is told there
  }
}

/** Where uploads to a repository begin. */
function uploadsOf({ origin, repository }: Endpoint): URL {
  return new URL(`/v2/${repository}/blobs/uploads/`, origin);
}

/** The place that an answer names; undefined where it names none. @throws AppError REGISTRY_PROTOCOL where we don't go */
function placeOf(task: Task, from: URL, answer: Answer): URL | undefined {
  const location = answer.header("location");
  return location ? redirectTarget(task, from, location) : undefined;
}

/** @param begun where an upload was begun; without it this begins one */
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
    // As docker pushes, which every registry takes: one stream, and then its digest.
    const sent = await access.request(task, endpoint, url, {
      method: "PATCH",
      headers,
      body: () => pieces(bytes, progress),
      expect: isSuccess,
      scopes,
    });
    await sent.discard();
    // A registry that names no other place goes on at the same.
    url = placeOf(task, url, sent) ?? url;
  }
  // Appended as text: what a registry has put into its own query, and signed, is not spelt anew.
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
