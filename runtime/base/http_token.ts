/** The names of HTTP. Pure. */

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Whether a text is a token (RFC 9110 5.6.2): a method, or the name of a header. */
export function isToken(text: string): boolean {
  return TOKEN.test(text);
}
