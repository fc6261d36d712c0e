import { StanzapackError } from "@stanzapack/wire";

/** Updates of a log that its end leaves behind. */
interface LeftUpdates {
  readonly count: number;
  /** Whether a store has them. */
  readonly stored: boolean;
}

function whereLeft({ stored }: LeftUpdates): string {
  return stored ? ", and stay in the store" : "";
}

/** Returns the error of `stop` for updates that could not be sent. */
export function unsentError(node: string, left: LeftUpdates): StanzapackError {
  const text = `${left.count} updates of \`${node}\` could not be sent${whereLeft(left)}`;
  return new StanzapackError("timeout", text);
}

/** Adds the number of updates that are not acknowledged to an error: a log loses nothing silently. */
export function withUnacknowledged(error: StanzapackError, left: LeftUpdates): StanzapackError {
  if (left.count === 0) return error;
  const { code, text, origin, scope, retryable, cause } = error;
  const more = left.count === 1 ? "1 update is" : `${left.count} updates are`;
  return new StanzapackError(code, `${text}; ${more} not acknowledged${whereLeft(left)}`, {
    ...{ origin, scope, retryable, cause },
  });
}
