import type { StanzapackError } from "@stanzapack/wire";

/**
 * The end of a link, for whoever waits for an answer on it. No promise that is raced with: it would hold every answer for as long as
 * the link lives.
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

  /** What the promise gives. Rejects with the end where that comes first, also at once before the promise has told. */
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
