/** What the application threw, as text: that may be anything. */
export function textOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  try {
    return String(error);
  } catch {
    return "an object without text";
  }
}
