/** @module Interface krew-wasm:terminal/control@0.1.0 **/
export function setMode(mode: Mode): void;
export function getSize(): Size;
/**
 * Is ready when the size has changed since `get-size` was last called.
 */
export function subscribeSize(): Pollable;
export type Pollable = import('./wasi-io-poll.d.ts').Pollable;
/**
 * What the terminal does with what is typed.
 * # Variants
 * 
 * ## `"line"`
 * 
 * A line at a time, edited by the terminal and shown: as it was.
 * ## `"hidden"`
 * 
 * A line at a time, edited, and not shown: for a password. The line's end is not shown either.
 * ## `"raw"`
 * 
 * Each key as it is typed, nothing shown, no key with a meaning of its own, Ctrl-C included.
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
 * Standard input is no terminal, or the user does not let the plugin have it as one.
 * # Variants
 * 
 * ## `"not-a-terminal"`
 */
export type Error = 'not-a-terminal';
