import { DEFAULT_LIMITS } from "@stanzapack/wire";
import { formatLaneKey } from "../fanout/lane.js";
import type { ReadableJournal } from "../store/journal.js";
import type { Subscription } from "../subscriptions/subscription.js";
import type { CatchUpBody, CatchUpSource, Encoding } from "./catch-up.js";

/** A log's journal, for subscribers on the way to their lanes. */
export class LogSource implements CatchUpSource {
  constructor(readonly journal: ReadableJournal) {}

  next(
    subscription: Subscription,
    shared: Map<string, CatchUpBody>,
    encoding: Encoding,
  ): CatchUpBody | "wait" | undefined {
    const { lane } = subscription;
    for (;;) {
      if (subscription.position >= lane.flushedTo) return undefined;
      const key = `${subscription.position}/${formatLaneKey({ ...lane.key, windowMs: 0 })}`;
      const known = shared.get(key);
      if (known !== undefined) return { ...known, arrives: known.to >= lane.flushedTo };
      const slice = this.journal.read(
        subscription.position + 1,
        DEFAULT_LIMITS.maxRowsPerFrame,
        lane.maxBytes,
      );
      if (slice === undefined || slice === "wait") return slice;
      const projected = { ...slice, rows: slice.rows.map((row) => lane.project(row)) };
      if (lane.fits(projected.rows[0] as Uint8Array)) {
        const made = { to: slice.to, body: encoding(() => lane.encodeAlone(projected)) };
        shared.set(key, made);
        return { ...made, arrives: made.to >= lane.flushedTo };
      }
      // The link cannot take this row. The row shows as lost in front of the next one.
      subscription.position = slice.to;
    }
  }

  /** On its lane, the missing updates show as lost. */
  failed(): boolean {
    return true;
  }
}
