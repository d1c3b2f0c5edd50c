/** @module Interface krew-wasm:terminal/control@0.1.0 **/
export function setMode(mode: Mode): void;
export function getSize(): Size;
/**
 * Ready when the size has changed since the last call of `get-size`.
 */
export function subscribeSize(): Pollable;
export type Pollable = import('./wasi-io-poll.d.ts').Pollable;
/**
 * How the terminal handles typed keys.
 * # Variants
 * 
 * ## `"line"`
 * 
 * Lines with editing and echo, the terminal's normal mode.
 * ## `"hidden"`
 * 
 * Lines with editing and without echo, for passwords. The terminal does not echo the end of the line either.
 * ## `"raw"`
 * 
 * Single keys without echo. No key has a special meaning, not even Ctrl-C.
 */
export type Mode = 'line' | 'hidden' | 'raw';
/**
 * Characters that fit on the screen.
 */
export interface Size {
  columns: number,
  rows: number,
}
/**
 * Standard input is not a terminal, or the user denied the plugin the terminal.
 * # Variants
 * 
 * ## `"not-a-terminal"`
 */
export type Error = 'not-a-terminal';
