/** Client for the OCI distribution API (distribution-spec): manifests, blobs, tags and referrers. */

import { AppError } from "../../runtime/base/errors.ts";
import type { Source } from "../../runtime/policy/provenance.ts";
import { repositoryName } from "../../runtime/base/reference.ts";
import { printable } from "../../runtime/base/text.ts";
import { type Endpoint, RegistryAccess } from "./authorized_requests.ts";
import { findCredentials, processHost } from "./credentials/find_credentials.ts";
import type { RegistryCredentials } from "./credentials/registry_credentials.ts";
import { Digester, digestOf } from "./digest.ts";
import { connectionFailure, type Task, whoOf } from "./registry_failure.ts";
import { chooseManifest, INDEX_TYPES, isIndex, MANIFEST_TYPES } from "./manifest.ts";
import { isDeep, manifestText } from "./json_text.ts";
import { formatReference, type Reference, registryOrigin } from "./mirrored_reference.ts";
import { Broken, type RetryOptions, withRetries } from "./retry.ts";
import type { Answer } from "./answer.ts";
import { type HostTls, Transport } from "./registry_transport.ts";

/** The user's configuration of registries; registry_hosts.ts reads it from files. */
export interface Hosts {
  /** Endpoints of a repository in order: mirrors, then the registry itself unless excluded. */
  readonly endpoints: (reference: Reference) => Promise<readonly Endpoint[]>;
  /** Origin for pushes. */
  readonly origin: (registry: string) => Promise<string>;
  readonly tls: (host: string) => Promise<HostTls | undefined>;
}

/** Options of a client. */
export interface ClientOptions {
  /** Use HTTP for registries that are not on this machine. */
  readonly plainHttp?: boolean;
  /** Mirrors and certificates. Default: none. */
  readonly hosts?: Hosts;
  readonly credentials?: (registry: string, repository: string) => Promise<RegistryCredentials | undefined>;
  readonly trace?: (line: string) => void;
  /** Called before a pause, and when a mirror fails. */
  readonly notice?: (line: string) => void;
  /** Called once for each problem with the user's credential files and helpers. */
  readonly warn?: (problem: AppError) => void;
  readonly sleep?: (milliseconds: number) => Promise<void>;
  /** Longest time without data from a registry, in milliseconds. */
  readonly idleTimeout?: number;
}

/** The text of a manifest, with its digest verified. */
export interface FetchedManifest {
  readonly text: string;
  readonly digest: string;
  /** Digest of the index that it was chosen from, if the reference names an index. */
  readonly indexDigest?: string;
  /** Where the manifest was found. Default: the reference's own registry. */
  readonly source?: Source;
}

/** Receives the bytes of a blob. */
export type BlobSink = (bytes: Uint8Array<ArrayBuffer>) => void;

const MAX_MANIFEST = 4 << 20; // distribution-spec: registries take manifests of 4 MiB at least
/** A download that stops after this many more bytes counts as progress. */
const PROGRESS = 1 << 20;

/** Answers to a range request that a server cannot satisfy: 416 by RFC 9110, and others in practice. */
const NO_RANGES = [400, 403, 405, 416, 501];

/** Keeps tokens. Make one for each command. */
export class RegistryClient {
  readonly access: RegistryAccess;
  readonly transport: Transport;
  #options: ClientOptions;
  #endpoints = new Map<string, Promise<readonly Endpoint[]>>();

  constructor(options: ClientOptions = {}) {
    this.#options = options;
    const { trace, idleTimeout, hosts } = options;
    this.transport = new Transport({
      ...(trace ? { trace } : {}),
      ...(idleTimeout === undefined ? {} : { idleTimeout }),
      ...(hosts ? { tls: hosts.tls } : {}),
    });
    const warned = new Set<string>();
    const warn = (problem: AppError) => {
      if (warned.size < warned.add(problem.message).size) options.warn?.(problem);
    };
    this.access = new RegistryAccess(
      this.transport,
      options.credentials ??
        ((registry, repository) => findCredentials(registry, repository, { ...processHost(), warn })),
    );
  }

  /**
   * The manifest of a reference's plugin. For an index, the manifest of its WebAssembly entry.
   *
   * @throws AppError REGISTRY_…, DIGEST_MISMATCH, TOO_LARGE, MANIFEST_INVALID, ARTIFACT_UNSUPPORTED
   */
  async fetchManifest(reference: Reference, verb = "pull"): Promise<FetchedManifest> {
    const named = await this.fetchAnyManifest(reference, verb);
    if (!isIndex(named.text)) return named;
    const { digest, size } = chooseManifest(named.text, shown(reference), verb);
    const chosen = await this.fetchAnyManifest({ ...reference, digest }, verb);
    const actual = new TextEncoder().encode(chosen.text).length;
    if (actual !== size) {
      throw new AppError(
        "DIGEST_MISMATCH",
        `${failed(verb, reference)}: its manifest has ${actual} bytes, its index says ${size}`,
      );
    }
    if (isIndex(chosen.text)) {
      throw new AppError(
        "ARTIFACT_UNSUPPORTED",
        `${failed(verb, reference)}: it is an index of indexes, not a plugin`,
      );
    }
    const { source } = named; // any source may serve a digest
    return {
      text: chosen.text,
      digest: chosen.digest,
      indexDigest: named.digest,
      ...(source ? { source } : {}),
    };
  }

  /**
   * The manifest or index that a reference names, of any kind. @throws AppError REGISTRY_…, DIGEST_MISMATCH, TOO_LARGE
   */
  async fetchAnyManifest(
    reference: Reference,
    verb = "pull",
    accept: readonly string[] = [...MANIFEST_TYPES, ...INDEX_TYPES],
  ): Promise<FetchedManifest> {
    return await this.fromAny(reference, verb, async (endpoint, task) => {
      const path = `/v2/${endpoint.repository}/manifests/${reference.digest ?? reference.tag}`;
      const answer = await this.access.request(task, endpoint, path, {
        headers: { accept: accept.join(", ") },
        expect: [200],
      });
      const bytes = await answer.bytes(
        MAX_MANIFEST,
        () => new AppError("TOO_LARGE", `${task.failed}: its manifest is larger than ${MAX_MANIFEST} bytes`),
      );
      const actual = digestOf(bytes);
      const mismatch = (what: string) => new AppError("DIGEST_MISMATCH", `${task.failed}: ${what}`);
      if (reference.digest !== undefined && actual !== reference.digest) {
        throw mismatch(`${whoOf(task)} sent a manifest with the digest ${actual}, not ${reference.digest}`);
      }
      const claimed = claimedDigest(answer);
      if (claimed !== undefined && claimed !== actual) {
        throw mismatch(`${whoOf(task)} calls its manifest ${printable(claimed, 100)}, it is ${actual}`);
      }
      let text: string;
      try {
        text = manifestText(bytes);
      } catch {
        throw new AppError("MANIFEST_INVALID", `${task.failed}: its manifest is not UTF-8`);
      }
      if (/^text\/html\b/i.test(answer.header("content-type") ?? "") && /^\s*</.test(text)) {
        throw new AppError(
          "REGISTRY_PROTOCOL",
          `${task.failed}: ${printable(task.registry, 200)} sent a web page, not a manifest`,
          { hint: "check the registry's name; it may be a login page or a proxy that answers" },
        );
      }
      if (isDeep(text)) {
        throw new AppError("MANIFEST_INVALID", `${task.failed}: its manifest is nested too deeply`);
      }
      return {
        text,
        digest: actual,
        ...(endpoint.isUsers ? { source: { kind: "mirror", place: repositoryName(endpoint) } } : {}),
      };
    });
  }

  /**
   * Streams a blob into a sink, and verifies its size and digest. An interrupted download resumes if the registry
   * supports it. `begin` opens the sink each time the download starts from the beginning.
   *
   * @throws AppError REGISTRY_…, DIGEST_MISMATCH
   */
  async fetchBlob(
    reference: Reference,
    blob: { readonly digest: string; readonly size: number },
    begin: () => BlobSink,
    progress: (bytes: number) => void = () => {},
    verb = "pull",
  ): Promise<void> {
    let digester = new Digester();
    let sink: BlobSink | undefined;
    let furthest = 0; // never lowered: a registry that cannot resume must not cause endless retries
    let asked: Endpoint | undefined;
    const restart = () => {
      digester = new Digester();
      sink = begin();
    };
    const receive = async (endpoint: Endpoint, task: Task, from: number) => {
      const answer = await this.access.request(
        task,
        endpoint,
        `/v2/${endpoint.repository}/blobs/${blob.digest}`,
        from > 0
          ? { headers: { range: `bytes=${from}-` }, expect: [200, 206, 404, ...NO_RANGES] }
          : { expect: [200, 404] },
      );
      const [, first, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(answer.header("content-range") ?? "") ?? [];
      // Another total means that a proxy compressed the body.
      const goesOn = first === String(from) && (total === "*" || total === String(blob.size));
      if (answer.status === 404) {
        await answer.discard();
        throw new AppError(
          "REGISTRY_NOT_FOUND",
          `${task.failed}: ${whoOf(task)} has its manifest, but not ${blob.digest}, which that names (404)`,
          { hint: "push it again" },
        );
      }
      if (NO_RANGES.includes(answer.status) || (answer.status === 206 && !goesOn)) {
        sink = undefined;
        await answer.discard();
        throw new Broken(`${whoOf(task)} can't go on where the download stopped`);
      }
      if (answer.status === 200) restart();
      for await (const chunk of answer.chunks()) {
        if (digester.size + chunk.length > blob.size) {
          sink = undefined;
          throw new AppError(
            "DIGEST_MISMATCH",
            `${task.failed}: its layer is longer than the ${blob.size} bytes that its manifest says`,
          );
        }
        digester.update(chunk);
        sink!(chunk);
        progress(digester.size);
      }
      if (digester.size < blob.size) {
        throw new Broken(`its layer was cut off after ${digester.size} of ${blob.size} bytes`, "content");
      }
    };
    await this.fromAny(reference, verb, async (endpoint, task) => {
      // Another registry starts from the beginning: wrong bytes of one must not count against the other.
      if (asked !== endpoint) sink = undefined;
      asked = endpoint;
      const from = sink ? digester.size : 0;
      // If the connection broke after the last byte, the blob is complete.
      if (from < blob.size || from === 0) await receive(endpoint, task, from);
      const actual = digester.digest();
      if (actual !== blob.digest) {
        sink = undefined; // the next attempt starts from the beginning
        const what = `${whoOf(task)} sent ${actual}, the manifest says ${blob.digest}`;
        // After a resume, one of the parts may be wrong: retry.
        if (from > 0) throw new Broken(what, "content");
        throw new AppError("DIGEST_MISMATCH", `${task.failed}: ${what}`);
      }
    }, () => {
      if (digester.size - furthest < PROGRESS) return false;
      furthest = digester.size;
      return true;
    });
  }

  /**
   * Tries a repository's mirrors in order, then its own registry. Retries each after temporary failures. Throws the
   * error of the last one.
   */
  async fromAny<T>(
    reference: Reference,
    verb: string,
    operation: (endpoint: Endpoint, task: Task) => Promise<T>,
    progressed?: () => boolean,
  ): Promise<T> {
    const endpoints = await this.#endpointsOf(reference);
    for (const [index, endpoint] of endpoints.entries()) {
      const last = index === endpoints.length - 1;
      try {
        const task = taskOf(verb, reference, endpoint.registry);
        return await this.retry(task, () => operation(endpoint, task), {
          ...(progressed ? { progressed } : {}),
          ...(last ? {} : { tries: 2 }),
        });
      } catch (error) {
        if (last) throw error;
        // A failing mirror is skipped. Our own defects and configuration errors are thrown.
        if (!(error instanceof AppError) || error.code === "REGISTRIES_INVALID") throw error;
        this.#options.notice?.(`${error.message}; trying ${endpoints[index + 1]!.registry}`);
      }
    }
    throw new AppError("REGISTRY_UNREACHABLE", `${failed(verb, reference)}: no registry is left to ask`);
  }

  /** Endpoint for pushes: never a mirror. */
  async own(reference: Reference): Promise<Endpoint> {
    const { registry, repository } = reference;
    const { hosts, plainHttp = false } = this.#options;
    const origin = plainHttp ? registryOrigin(registry, true) : await hosts?.origin(registry);
    return { registry, repository, origin: origin ?? registryOrigin(registry, false) };
  }

  /** Retries after a broken connection, a 429 or a 5xx. @throws AppError */
  async retry<T>(task: Task, operation: () => Promise<T>, options: Partial<RetryOptions> = {}): Promise<T> {
    return await withRetries(operation, {
      describe: (error) => error instanceof AppError ? error : connectionFailure(task, error),
      sleep: this.#options.sleep ?? ((milliseconds) => new Promise((done) => setTimeout(done, milliseconds))),
      notice: (line) => this.#options.notice?.(line),
      ...options,
    });
  }

  #endpointsOf(reference: Reference): Promise<readonly Endpoint[]> {
    const { registry, repository, digest } = reference;
    const key = `${registry}/${repository} ${digest !== undefined}`;
    let endpoints = this.#endpoints.get(key);
    if (!endpoints) {
      const { hosts, plainHttp } = this.#options;
      endpoints = hosts && !plainHttp
        ? hosts.endpoints(reference)
        : this.own(reference).then((endpoint) => [endpoint]);
      this.#endpoints.set(key, endpoints);
    }
    return endpoints;
  }
}

/**
 * The digest that a registry declares for a manifest; all values if it sends several. Undefined without a sha256
 * digest.
 */
export function claimedDigest(answer: Answer): string | undefined {
  const claimed = answer.header("docker-content-digest")?.toLowerCase() ?? "";
  const digests = new Set(claimed.split(/[\s,]+/).filter((digest) => digest.startsWith("sha256:")));
  return digests.size === 0 ? undefined : [...digests].join(", ");
}

/** The task of a command on a reference, for errors. */
export function taskOf(verb: string, reference: Reference, registry = reference.registry): Task {
  const repository = `${reference.registry}/${reference.repository}`;
  const task = { failed: failed(verb, reference), registry, repository };
  return registry === reference.registry ? task : { ...task, who: printable(registry, 200) };
}

/** `Cannot pull "ghcr.io/acme/foo:v1"` */
export function failed(verb: string, reference: Reference): string {
  return `Cannot ${verb} "${shown(reference)}"`;
}

function shown(reference: Reference): string {
  return printable(formatReference(reference), 400);
}
