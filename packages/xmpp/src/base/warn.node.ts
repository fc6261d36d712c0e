/** Warns of a fault of a handler, which must neither end the process nor pass unseen. Never throws. */
export function warn(what: string, error: unknown): void {
  process.emitWarning(`${what}: ${describe(error)}`, "StanzapackWarning");
}

/** A program can throw any value, also one that cannot be turned into text. */
function describe(error: unknown): string {
  try {
    return error instanceof Error ? String(error.stack ?? error.message) : String(error);
  } catch {
    return `a thrown ${typeof error} that has no text`;
  }
}
