/** poll_oneoff: waits for streams and clocks together. */

import { monotonicNow, sleepUntil, sleepUntilSync, wallClockNow } from "../system_clocks.ts";
import { ERRNO, type ErrnoName, WasiError } from "../errno.ts";
import type { MaybePromise, Readiness } from "../streams/streams.ts";
import { whenAny } from "../streams/waits.ts";
import type { Version } from "./abi.ts";
import { type Context, type Errno, type Functions, SUCCESS } from "./p1_context.ts";
import { MAX_LIST } from "./memory.ts";

/** The function over one module's descriptors. */
export function pollFunctions(context: Context, version: Version): Functions {
  return {
    poll_oneoff: (input: number, output: number, count: number, result: number) =>
      poll(context, version, input, output, count, result),
  };
}

/** How long a module may poll ready descriptors before timers and the network get a turn, in milliseconds. */
const TURN = 5;
let lastTurn = 0;

function poll(
  { memory, descriptors, network }: Context,
  version: Version,
  input: number,
  output: number,
  count: number,
  result: number,
): MaybePromise<Errno> {
  if (count === 0) throw new WasiError("invalid");
  if (count >>> 0 > MAX_LIST) throw new WasiError("invalid");
  input >>>= 0;
  output >>>= 0;
  const view = memory.view();
  const { size, clock, timeout, flags } = version.subscription;
  const events: { userdata: bigint; type: number; errno: ErrnoName | undefined; bytes: bigint }[] = [];
  const sources: { userdata: bigint; type: number; source: Readiness }[] = [];
  const timers: { userdata: bigint; deadline: bigint }[] = [];
  for (let i = 0; i < count; i++) {
    const at = input + i * size;
    const userdata = view.getBigUint64(at, true);
    const type = view.getUint8(at + 8);
    if (type === 0) {
      const id = view.getUint32(at + clock, true);
      const time = view.getBigUint64(at + timeout, true);
      const absolute = (view.getUint16(at + flags, true) & 1) !== 0;
      if (id > 1) events.push({ userdata, type, errno: "invalid", bytes: 0n });
      else {
        const now = monotonicNow();
        const offset = absolute ? time - (id === 0 ? wallClockNow() : now) : time;
        timers.push({ userdata, deadline: now + (offset > 0n ? offset : 0n) });
      }
    } else if (type === 1 || type === 2) {
      const descriptor = descriptors.find(view.getUint32(at + 16, true));
      const ready = (errno?: ErrnoName, bytes = 0n) => events.push({ userdata, type, errno, bytes });
      if (!descriptor) ready("bad-descriptor");
      else if (descriptor.node.kind === "socket") {
        sources.push({ userdata, type, source: type === 1 ? descriptor.node.source : descriptor.node.sink });
      } else if (descriptor.node.kind === "source" && type === 1) {
        sources.push({ userdata, type, source: descriptor.node.source });
      } else if (descriptor.node.kind === "sink" && type === 2 && !descriptor.node.sink.ready()) {
        sources.push({ userdata, type, source: descriptor.node.sink });
      } else if (descriptor.node.kind === "source" || descriptor.node.kind === "sink" && type === 1) {
        ready("bad-descriptor");
      } else if (descriptor.node.kind === "file" && type === 1) {
        const left = descriptor.node.size() - descriptor.offset;
        ready(undefined, left > 0n ? left : 0n);
      } else ready(undefined, type === 2 ? 65536n : 0n);
    } else throw new WasiError("invalid");
  }
  const finish = (): Errno => {
    for (const { userdata, type, source } of sources) {
      if (source.ready()) events.push({ userdata, type, errno: undefined, bytes: type === 2 ? 65536n : 1n });
    }
    const now = monotonicNow();
    for (const { userdata, deadline } of timers) {
      if (deadline <= now) events.push({ userdata, type: 0, errno: undefined, bytes: 0n });
    }
    const view = memory.view();
    events.forEach(({ userdata, type, errno, bytes }, index) => {
      const at = output + index * 32;
      view.setBigUint64(at, userdata, true);
      view.setBigUint64(at + 8, 0n, true);
      view.setUint16(at + 8, errno ? ERRNO[errno] : SUCCESS, true);
      view.setUint8(at + 10, type);
      view.setBigUint64(at + 16, bytes, true);
      view.setBigUint64(at + 24, 0n, true);
    });
    memory.setUint32(result, events.length);
    return SUCCESS;
  };
  if (network && performance.now() - lastTurn >= TURN) {
    // A module whose every poll finds a ready descriptor or a past time would block the network forever.
    return new Promise((resolve) =>
      setTimeout(() => {
        lastTurn = performance.now();
        resolve(events.length > 0 ? finish() : waitOrFinish());
      }, 0)
    );
  }
  return waitOrFinish();

  function waitOrFinish(): MaybePromise<Errno> {
    if (events.length > 0 || sources.some(({ source }) => source.ready())) {
      // Report the ready ones now. The next poll asks the others again.
      return finish();
    }
    const first = timers.reduce<bigint | undefined>(
      (least, { deadline }) => least === undefined || deadline < least ? deadline : least,
      undefined,
    );
    if (sources.length === 0 && !network) {
      sleepUntilSync(first!);
      return finish();
    }
    const waited = first === undefined || first > monotonicNow();
    const timer = new AbortController();
    const waits: Readiness[] = sources.map(({ source }) => source);
    if (first !== undefined) {
      waits.push({ ready: () => monotonicNow() >= first, wait: () => sleepUntil(first, timer.signal) });
    }
    const wait = async (): Promise<Errno> => {
      // Another reader may have taken the data meanwhile. A poll must not end without an event.
      do await whenAny(waits); while (!waits.some((each) => each.ready()));
      timer.abort();
      if (waited) lastTurn = performance.now();
      return finish();
    };
    return wait();
  }
}
