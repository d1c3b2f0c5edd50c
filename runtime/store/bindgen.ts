/**
 * The version of the compiler behind a compiled form: ours, then jco's. Raise our number when the output of
 * registry/compile/compile.ts changes. A plugin with another version is compiled again at its next run.
 */
export const BINDGEN = "10-jco0.15.0";
