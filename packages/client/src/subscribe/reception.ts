import { Position, type DataBatch, type PositionEvent, type Since, type Value } from "@stanzapack/wire";
import type { RangeEvent } from "./subscription-events.js";

/**
 * Reason of a hole before the next update. `disconnected`: the link ended. `paused`: the client paused, and wanted no
 * update. `gap`: neither.
 */
type Hole = "gap" | "disconnected" | "paused";

/** A range of offsets without updates, ready to emit. */
export type RangeReport = readonly [event: "lost" | "conflated" | "reset", range: RangeEvent];

/** The position of one subscription, and the reasons of the holes in what it receives. */
export class Reception {
  private readonly position: Position;
  private hole: Hole = "gap";
  private baseAt = 0;

  /** `since`: a position is where it begins. */
  constructor(since: Since | undefined) {
    this.position = new Position(typeof since === "object" && "epoch" in since ? since : undefined);
  }

  /** The last position. Undefined before the first update. */
  get current(): { readonly epoch: number; readonly offset: number } | undefined {
    return this.position.current;
  }

  /** The component says where the subscription begins. It has no effect after the first update. */
  begin(start: { readonly epoch: number; readonly offset: number }): void {
    this.position.begin(start);
  }

  /** BIND came. Times of DATA count from `baseAt`. */
  bound(baseAt: number): void {
    this.baseAt = baseAt;
  }

  /** The link ended: the next update may follow a hole. */
  interrupt(): void {
    if (this.hole !== "paused") this.hole = "disconnected";
  }

  /** The client pauses: the next update may follow a hole that the program wants, unless the service is a log. */
  pause(): void {
    this.hole = "paused";
  }

  /**
   * Takes a DATA frame. Returns the events of its position, and the report of each range among them. `thins`: the
   * selection leaves updates out. `isLog`: no update may be left out, so each hole is a loss. Throws `malformed`.
   */
  receive(
    batch: DataBatch<Value>,
    { thins, isLog }: { readonly thins: boolean; readonly isLog: boolean },
  ): {
    readonly events: readonly PositionEvent<Value>[];
    readonly report: (range: Exclude<PositionEvent<Value>, { event: "row" }>) => RangeReport;
  } {
    const { hole } = this;
    this.hole = "gap";
    const conflatedBy = thins ? "selection" : "window";
    return {
      events: this.position.advance(batch, this.baseAt),
      report: ({ event, from, to }) => {
        if (event === "reset") return [event, { from, to, reason: "epoch" }];
        if (event === "conflated") return [event, { from, to, reason: conflatedBy }];
        return [hole === "paused" && !isLog ? "conflated" : event, { from, to, reason: hole }];
      },
    };
  }
}
