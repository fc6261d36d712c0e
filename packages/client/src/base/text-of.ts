/** Takes anything that the application threw, and returns it as text. */
export function textOf(error: unknown): string {
  if (error instanceof Error) return error.message;
  try {
    return String(error);
  } catch {
    return "an object without text";
  }
}
