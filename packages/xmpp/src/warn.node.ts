/** A fault of a handler, which must neither end the process nor pass unseen. */
export function warn(what: string, error: unknown): void {
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.emitWarning(`${what}: ${detail}`, "StanzapackWarning");
}
