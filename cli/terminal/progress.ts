/** Progress of downloads and uploads: a bar on a terminal, otherwise a line now and then. */

import type { Output } from "./output.ts";
import { formatSize } from "./output.ts";

/** The state at one moment. */
export interface ProgressState {
  /** Bytes. */
  readonly done: number;
  readonly total: number;
  /** Bytes per second. */
  readonly rate: number;
}

/** A transfer with visible progress, and the steps before and after it. */
export interface Progress {
  readonly show: (done: number, total: number) => void;
  /** Shows a step without measurable progress, until the next call. In a pipe only one of `size` bytes that takes long. */
  readonly step: (doing: string, size?: number) => void;
  /** Like `step`, but only after a second, and never in a pipe. */
  readonly wait: (doing: string) => void;
  /** Removes the bar. The next update starts another transfer. */
  readonly end: () => void;
}

/** Options for showing a transfer. */
export interface ProgressOptions {
  readonly stderr: Output["stderr"];
  readonly terminal: boolean;
  /** Width of the terminal in columns. */
  readonly columns: () => number;
  /** A clock in milliseconds. */
  readonly now: () => number;
  /** `Downloading`, `Uploading` */
  readonly doing?: string;
}

/** Transfers shorter than this are not shown. Milliseconds. */
const PATIENCE = 300;
/** Waiting becomes visible after this time. Milliseconds. */
const WAITING = 1000;
/** In a pipe, a step with more bytes than this prints a line. */
const SLOW = 4 << 20;
const REDRAW = 100;
const LINE_EVERY = 5000;

/** Shows transfers on stderr. */
export function makeProgress(options: ProgressOptions): Progress {
  const { stderr, terminal, columns, now, doing = "Downloading" } = options;
  let started: number | undefined;
  let drawn = 0;
  let open = false;
  let last = { at: 0, done: 0 };
  let rate = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const clear = () => {
    clearTimeout(timer);
    if (open && terminal) stderr("\r\x1b[K");
    open = false;
  };
  const draw = (text: string) => {
    stderr(`\r\x1b[K${text.slice(0, Math.max(0, columns() - 1))}`);
    open = true;
  };
  return {
    step(doing, size) {
      clear();
      started = undefined;
      const text = size === undefined ? `${doing} …` : `${doing} ${formatSize(size)} …`;
      if (terminal) draw(text);
      else if (size !== undefined && size >= SLOW) stderr(`${text}\n`);
    },
    wait(doing) {
      clear();
      if (terminal) timer = setTimeout(() => draw(`${doing} …`), WAITING);
    },
    show(done, total) {
      const at = now();
      if (started === undefined) {
        clear();
        started = drawn = at;
        last = { at, done };
        rate = 0;
        return;
      }
      if (at - started < PATIENCE || at - drawn < (terminal ? REDRAW : LINE_EVERY)) return;
      // A restarted transfer counts from its new start. The latest second weighs most.
      const passed = (at - last.at) / 1000;
      const recent = Math.max(0, done - last.done) / passed;
      const weight = rate === 0 ? 1 : 1 - Math.exp(-passed);
      rate += (recent - rate) * weight;
      last = { at, done };
      drawn = at;
      open = true;
      const state = { done, total, rate };
      stderr(terminal ? `\r\x1b[K${formatBar(state, columns())}` : `${doing}: ${formatProgress(state)}\n`);
    },
    end() {
      clear();
      started = undefined;
    },
  };
}

/** One line that fits the terminal's width. Pure. */
export function formatBar(state: ProgressState, columns: number): string {
  const text = formatProgress(state);
  const width = Math.min(30, columns - text.length - 4);
  if (width < 8) return text.slice(0, Math.max(0, columns - 1));
  const filled = Math.round(width * Math.min(1, state.total === 0 ? 1 : state.done / state.total));
  return `[${"#".repeat(filled)}${"-".repeat(width - filled)}] ${text}`;
}

/** `45%, 12 MB of 27 MB, 8.2 MB/s, 2s left`. Pure. */
export function formatProgress({ done, total, rate }: ProgressState): string {
  const percent = total === 0 ? 100 : Math.floor(done / total * 100);
  const parts = [`${percent}%`, `${formatSize(done)} of ${formatSize(total)}`];
  if (rate >= 1) {
    parts.push(`${formatSize(Math.round(rate))}/s`, `${formatDuration((total - done) / rate)} left`);
  }
  return parts.join(", ");
}

function formatDuration(seconds: number): string {
  const whole = Math.ceil(Math.min(seconds, 359_999));
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h > 0 ? `${h}h${m}m` : m > 0 ? `${m}m${s}s` : `${s}s`;
}
