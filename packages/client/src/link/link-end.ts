import type { StanzapackError } from "@stanzapack/wire";

/**
 * The end of a link, for all callers that wait for an answer on it. It is no promise for `Promise.race`: such a promise
 * would hold every answer as long as the link lives.
 */
export class LinkEnd {
  private readonly waiting = new Set<(error: StanzapackError) => void>();
  private endedBy: StanzapackError | undefined;

  /** Called once. */
  end(error: StanzapackError): void {
    this.endedBy = error;
    for (const reject of this.waiting) reject(error);
    this.waiting.clear();
  }

  /** Settles as `answer` does. Rejects with the reason of the end if the link ends before the caller has the answer. */
  async unless<R>(answer: Promise<R>): Promise<R> {
    let tell: ((error: StanzapackError) => void) | undefined;
    try {
      const result = await new Promise<R>((resolve, reject) => {
        this.waiting.add((tell = reject));
        answer.then(resolve, reject);
        if (this.endedBy !== undefined) reject(this.endedBy);
      });
      if (this.endedBy !== undefined) throw this.endedBy;
      return result;
    } finally {
      if (tell !== undefined) this.waiting.delete(tell);
    }
  }
}
