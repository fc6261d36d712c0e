import type { Subscription } from "@stanzapack/client";
import type { RowOutput } from "./row-output.js";

/**
 * Prints the values of subscriptions with a cursor, as a feed for another program. A value counts as taken once the
 * line is written: then the component may forget that this consumer needs it. While stdout takes nothing, the feed asks
 * for no further value.
 */
export class Feed {
  private readonly running = new Set<Promise<void>>();

  constructor(
    private readonly output: RowOutput,
    /** Whether the command goes on, before each value. */
    private readonly goesOn: () => boolean,
    /** A line was written. */
    private readonly written: () => void,
  ) {}

  follow(subscription: Subscription): void {
    const run = this.run(subscription)
      // `ended` of the subscription has the reason.
      .catch(() => undefined)
      .finally(() => this.running.delete(run));
    this.running.add(run);
  }

  private async run(subscription: Subscription): Promise<void> {
    const { node } = subscription;
    const updates = subscription[Symbol.asyncIterator]();
    while (this.goesOn()) {
      const next = await updates.next();
      if (next.done === true || !this.goesOn()) return;
      const { epoch, offset, at, value } = next.value;
      if (!(await this.output.writeWhole({ node, epoch, offset, at, value }))) return;
      subscription.markTaken({ epoch, offset });
      this.written();
    }
  }

  /** Resolves when no line is being written any more. Call it once `goesOn` returns false. */
  async end(): Promise<void> {
    await Promise.all(this.running);
  }
}
