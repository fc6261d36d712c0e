import type { ServiceStatus } from "@stanzapack/wire";
import type { Standing } from "./standing.js";
import type { StatusEvent } from "./subscription-events.js";

/** A status and its origin. */
export type Status = Omit<StatusEvent, "windowMs">;

/** The parts of a subscription on which its status depends. */
export interface StatusCauses {
  readonly standing: Pick<Standing, "absence" | "subid">;
  /** Whether the inactive client wants no data. */
  readonly paused: boolean;
  /** Whether the inactive client has a wider window. */
  readonly slowed: boolean;
  /** The last status that the component sent. */
  readonly publisher: ServiceStatus;
}

/** Returns the status of a subscription. A reason of this client hides a reason of the publisher, except `slowed`. */
export function statusOf({ standing, paused, slowed, publisher }: StatusCauses): Status {
  const { absence, subid } = standing;
  if (absence !== undefined && absence !== "resting") return { status: absence, by: "client" };
  if (paused && subid === "") return { status: "paused", by: "client" };
  if (slowed && publisher === "online") return { status: "slowed", by: "client" };
  return { status: publisher, by: "publisher" };
}

/** Remembers what the component says of the publisher, and which status was emitted last. */
export class StatusReport {
  private told: Status = { status: "online", by: "publisher" };
  private toldPaceMs: number | null = null;
  private of: ServiceStatus = "online";
  private pace: number | null = null;

  /** The last status emitted. */
  get last(): Status {
    return this.told;
  }
  /** Status of the publisher. */
  get publisher(): ServiceStatus {
    return this.of;
  }
  /** Window in which updates really leave the publisher, in ms. Null while it keeps the window that is wanted. */
  get paceMs(): number | null {
    return this.pace;
  }

  /** Takes a STATUS. Returns false if it repeats the last one: a sign of life. */
  heard(status: ServiceStatus, paceMs: number | null): boolean {
    const isNews = status !== this.of || paceMs !== this.pace;
    this.of = status;
    this.pace = paceMs;
    return isNews;
  }

  /** Takes the status now. Returns whether it, or the pace, differs from the last one emitted, and remembers it. */
  isNews(now: Status): boolean {
    const { told, pace } = this;
    if (told.status === now.status && told.by === now.by && this.toldPaceMs === pace) return false;
    this.told = now;
    this.toldPaceMs = pace;
    return true;
  }
}
