import { byteCountOf, type Since } from "@stanzapack/wire";
import { wallNow } from "@stanzapack/xmpp";
import type { Later } from "../base/later.js";
import type { Service } from "../catalog/service.js";
import type { ServiceRecord } from "../catalog/service-record.js";
import type { FanOut } from "../fanout/fan-out.js";
import type { Lane } from "../fanout/lane.js";
import type { Arrival } from "../fanout/selector.js";
import type { ReadableJournal, TimedStart } from "../store/journal.js";
import type { Subscription } from "../subscriptions/subscription.js";
import type { CatchUp } from "./catch-up.js";
import { LogSource } from "./log-source.js";
import type { Kind, Start } from "./kind.js";

/** Window in which a log's publisher sends while no subscriber wants a smaller one, in ms. */
const LOG_WINDOW_MS = 1_000;

/** The parts of the component that all logs share. */
export interface LogParts {
  readonly fanOut: FanOut;
  readonly catchUp: CatchUp;
  /** Keeps a log that was withdrawn, so that subscribers receive the rest. */
  readonly onWithdrawn: (service: Service, shelf: LogShelf, now: number) => void;
}

/** Where one log keeps its updates. */
export interface LogShelf {
  readonly journal: ReadableJournal;
  /** Resolves as `Kind.keep`. */
  append(service: Service, arrival: Arrival): Later<void>;
  /** Drops updates beyond the bounds. `now`: in ms since 1970. */
  trim(now: number): void;
  /** Drops all updates. The log is not used any more. Resolves when that is stored. May reject: see `storedShelf`. */
  clear(): Later<void>;
}

/** A service of kind `log`: its journal keeps every update, and subscribers catch up from there. */
export class LogKind implements Kind {
  readonly hasHistory = true;
  readonly hasCursors = true;
  readonly keepsUpdates = true;
  readonly ownWindowMs = LOG_WINDOW_MS;

  private readonly source: LogSource;

  constructor(
    private readonly shelf: LogShelf,
    private readonly parts: LogParts,
  ) {
    this.source = new LogSource(shelf.journal);
  }

  get journal(): ReadableJournal {
    return this.shelf.journal;
  }

  seek(time: number): Later<TimedStart> {
    return this.journal.since(time);
  }

  begin(subscription: Subscription, { since, timed }: Start): void {
    const { service } = subscription;
    const { position, recovered } = locate(service.record, this.journal, since, timed);
    subscription.position = position;
    subscription.begun = { epoch: service.record.epoch, offset: position };
    subscription.recovered = recovered;
    this.parts.catchUp.begin(subscription, this.source);
  }

  keep(service: Service, arrival: Arrival): Later<void> {
    return this.shelf.append(service, arrival);
  }

  kept({ lanes }: Service, { rows }: Arrival): void {
    const bytes = byteCountOf(rows);
    for (const lane of lanes.values()) if (lane.overflows(rows.length, bytes)) this.setAside(lane);
  }

  comeBack(subscription: Subscription): void {
    this.parts.catchUp.add(subscription, this.source);
  }

  /** Subscribers receive what waited in the lane from the journal later. */
  setAside(lane: Lane<Subscription>): void {
    for (const subscription of this.parts.fanOut.setAside(lane))
      this.parts.catchUp.add(subscription, this.source);
  }

  hasRest({ detached, position, service }: Subscription): boolean {
    return detached && position < service.record.offset;
  }

  sweep(): void {
    this.shelf.trim(wallNow());
  }

  withdraw(service: Service, now: number): void {
    this.parts.onWithdrawn(service, this.shelf, now);
  }
}

/** Returns where a subscription to a log begins: the last position that it does not get. */
function locate(
  { epoch, offset }: ServiceRecord,
  journal: ReadableJournal,
  since: Since | undefined,
  timed: TimedStart | undefined,
): { readonly position: number; readonly recovered: boolean | undefined } {
  if (since === undefined) return { position: offset, recovered: undefined };
  if (timed !== undefined) return { position: timed.offset - 1, recovered: timed.whole };
  // A time without a result of `seek` stands for the beginning: nothing is left out.
  if (since === "first" || "time" in since) return { position: journal.first - 1, recovered: true };
  // The position is from another life of the service: the subscription receives everything that this life has.
  if (since.epoch !== epoch) return { position: journal.first - 1, recovered: false };
  return {
    position: Math.min(since.offset, offset),
    recovered: since.offset + 1 >= journal.first && since.offset <= offset,
  };
}
