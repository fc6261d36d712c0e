/** Name of a cursor. 64 characters, as the name of a service has. */
const CURSOR_NAME = /^[A-Za-z0-9._-]{1,64}$/;

/** Whether the text is 1 to 64 characters of `A–Z a–z 0–9 . _ -`. */
export function isCursorName(text: string): boolean {
  return CURSOR_NAME.test(text);
}
