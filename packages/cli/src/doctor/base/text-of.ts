/** The text of an error in one line. Node's error of several addresses has its texts in `errors`. */
export function textOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const several = error instanceof AggregateError ? (error.errors as unknown[]).map(textOf).join("; ") : "";
  const text = error.message === "" ? several || error.name : error.message;
  return text.trim().replace(/\s*\n\s*/g, " ");
}
