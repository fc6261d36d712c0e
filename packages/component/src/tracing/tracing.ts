import { monotonicNow } from "@stanzapack/xmpp";
import type { Service } from "../catalog/service.js";
import { UpdateTrace } from "./update-trace.js";

/** A lane, as far as tracing needs to know it. */
export interface TracedLane {
  readonly windowMs: number;
  readonly members: number;
  /** Whether any member receives the lane's next body. Otherwise nothing waits in the lane. */
  readonly active: boolean;
}

/**
 * Follows a sample of the updates through the component. An update is followed through one lane: the first that follows
 * no other update at that moment.
 */
export class Tracing {
  /** By lane, what waits there. A lane that ends forgets it. */
  private readonly waiting = new WeakMap<TracedLane, UpdateTrace>();
  /** What is encoded, and leaves with the next write. */
  private encoded: UpdateTrace[] = [];

  constructor(
    /** Part of the updates that are followed, from 0 to 1. */
    private readonly share: number,
    /** Takes each way that has ended. */
    private readonly onEnded: (trace: UpdateTrace) => void,
    private readonly chance: () => number = Math.random,
  ) {}

  /** Updates of a service have arrived. Undefined: they are not in the sample. */
  begin(service: Service): UpdateTrace | undefined {
    if (this.chance() >= this.share) return undefined;
    const { kind, durability = "none" } = service.config;
    return new UpdateTrace(monotonicNow(), {
      "stanzapack.node": service.node,
      "stanzapack.kind": kind,
      "stanzapack.durability": durability,
    });
  }

  /** The updates are in these lanes now. Without a lane to follow, their way has ended. */
  delivered(trace: UpdateTrace, lanes: Iterable<TracedLane>): void {
    for (const lane of lanes) {
      if (!lane.active || this.waiting.has(lane)) continue;
      trace.attributes["stanzapack.window_ms"] = lane.windowMs;
      trace.attributes["stanzapack.subscribers"] = lane.members;
      this.waiting.set(lane, trace);
      return;
    }
    this.onEnded(trace);
  }

  /** The lane is about to encode its batch. Returns the way that ends its wait. */
  leave(lane: TracedLane): UpdateTrace | undefined {
    const trace = this.waiting.get(lane);
    if (trace === undefined) return undefined;
    this.waiting.delete(lane);
    trace.pass("wait");
    return trace;
  }

  /** The batch is encoded. */
  passed(trace: UpdateTrace): void {
    trace.pass("encode");
    this.encoded.push(trace);
  }

  /** Everything that was encoded is written. */
  written(): void {
    if (this.encoded.length === 0) return;
    for (const trace of this.encoded) {
      trace.pass("write");
      this.onEnded(trace);
    }
    this.encoded = [];
  }
}
