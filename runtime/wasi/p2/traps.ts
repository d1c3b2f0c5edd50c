/** Ends components that break a rule of the component model or of WASI. */

/** A trap that ends a guest whose call the specification does not allow. */
export function trap(what: string): WebAssembly.RuntimeError {
  return new WebAssembly.RuntimeError(what);
}

/** Throws unless a value is a resource of a class. */
export function checkOwn(value: object, of: abstract new (...args: never[]) => object): void {
  if (!(value instanceof of)) throw trap("it passed what is not the resource that it should be");
}
