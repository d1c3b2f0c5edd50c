/**
 * Limits a plugin's concurrent requests. A request holds its place until its body ends. A body that stays open (a
 * watch, a log) becomes a stream and gives its place to a waiting request, so watches never block other requests.
 */

/** How many requests may be open at once. Each has its own connection. */
export const MAX_REQUESTS = 64;
/** How many open streams there may be in addition. */
export const MAX_STREAMS = 1024;
/** After how long an open body becomes a stream if another request waits, in milliseconds. */
const PATIENCE = 250;

/** A request's place. */
export interface Place {
  /** The response's head arrived: the body may now become a stream. */
  answered(): void;
  /** The request is over. Idempotent. */
  leave(): void;
}

interface Seat {
  since: number | undefined;
  stream: boolean;
  left: boolean;
}

/** The places of one cluster's requests, first come, first served. */
export class Pool {
  #seats = new Set<Seat>();
  #streams = 0;
  #waiting: { enter: (place: Place) => void }[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly maxRequests: number = MAX_REQUESTS,
    private readonly maxStreams: number = MAX_STREAMS,
    private readonly patience: number = PATIENCE,
  ) {}

  /** The number of open requests and streams. */
  get size(): number {
    return this.#seats.size;
  }

  /** The number of requests that wait for a place. */
  get queued(): number {
    return this.#waiting.length;
  }

  /** Waits for a place. @throws the signal's reason */
  async enter(signal?: AbortSignal): Promise<Place> {
    signal?.throwIfAborted();
    if (this.#hasRoom() && this.#waiting.length === 0) return this.#seat();
    const { promise, resolve, reject } = Promise.withResolvers<Place>();
    const waiting = { enter: resolve };
    this.#waiting.push(waiting);
    const give = () => {
      this.#waiting = this.#waiting.filter((one) => one !== waiting);
      reject(signal!.reason);
    };
    signal?.addEventListener("abort", give, { once: true });
    this.#serve();
    try {
      return await promise;
    } finally {
      signal?.removeEventListener("abort", give);
    }
  }

  #hasRoom(): boolean {
    return this.#seats.size - this.#streams < this.maxRequests;
  }

  #seat(): Place {
    const seat: Seat = { since: undefined, stream: false, left: false };
    this.#seats.add(seat);
    return {
      answered: () => {
        seat.since = performance.now();
        if (this.#waiting.length > 0) this.#serve();
      },
      leave: () => {
        if (seat.left) return;
        seat.left = true;
        this.#seats.delete(seat);
        if (seat.stream) this.#streams--;
        if (this.#waiting.length > 0) this.#serve();
      },
    };
  }

  /**
   * Gives free places to waiting requests. If there are none, old bodies become streams, now or when they are old
   * enough.
   */
  #serve(): void {
    while (this.#waiting.length > 0 && (this.#hasRoom() || this.#makeRoom())) {
      this.#waiting.shift()!.enter(this.#seat());
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#waiting.length === 0 || this.#streams >= this.maxStreams) return;
    const oldest = this.#oldest();
    if (!oldest) return; // the next answered request calls again
    this.#timer = setTimeout(
      () => this.#serve(),
      Math.max(1, oldest.since! + this.patience - performance.now()),
    );
  }

  #oldest(): Seat | undefined {
    let oldest: Seat | undefined;
    for (const seat of this.#seats) {
      if (seat.stream || seat.since === undefined) continue;
      if (oldest === undefined || seat.since < oldest.since!) oldest = seat;
    }
    return oldest;
  }

  #makeRoom(): boolean {
    if (this.#streams >= this.maxStreams) return false;
    const oldest = this.#oldest();
    if (!oldest || performance.now() - oldest.since! < this.patience) return false;
    oldest.stream = true;
    this.#streams++;
    return true;
  }
}
