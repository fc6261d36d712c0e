import { monitorEventLoopDelay, type IntervalHistogram } from "node:perf_hooks";
import { wallNow } from "@stanzapack/xmpp";
import type { ComponentStats } from "../base/stats.js";
import { VERSION } from "../base/version.js";
import { survey } from "../metrics/survey.js";
import type { ClientLink } from "../links/client-link.js";
import type { Broker } from "../broker/broker.js";
import type { StoreUsage } from "../store/store.js";
import { Rates } from "./rates.js";
import type { ComponentRow, NodeRow } from "./rows.js";

/** How often the delay of the event loop is measured, in ms. */
const LOOP_SAMPLE_MS = 20;
/** Most JIDs that are named. */
const MAX_CUT_OFF = 20;
const NS_PER_MS = 1_000_000;

/** Everything that a row of the component reads. */
export interface ComponentSources {
  readonly stats: () => ComponentStats;
  readonly links: () => Iterable<ClientLink>;
  /** Undefined: everything is in memory. */
  readonly store: () => StoreUsage | undefined;
  /** Free space of the store's disk, in bytes. Undefined: not known. */
  readonly freeBytes: () => number | undefined;
  readonly roundTripMs: () => number | undefined;
  /** Undefined: there is one node. */
  readonly nodes?: () => readonly NodeRow[] | undefined;
}

/** Makes rows of the whole component. It remembers the counters, and watches the event loop until `stop`. */
export class ComponentRows {
  private readonly rates = new Rates<ComponentStats>();
  private readonly processRates = new Rates<typeof process>();
  private delay: IntervalHistogram | undefined;

  constructor(
    private readonly broker: Broker,
    private readonly sources: ComponentSources,
    /** In ms since 1970. */
    private readonly startedAt: number,
  ) {}

  /** Returns how many stanzas, and other things, the component has sent a second. `seconds`: since the call before. */
  ratesOf(seconds: number): {
    stanzas: number;
    chars: number;
    updatesIn: number;
    conflated: number;
    refusals: number;
  } {
    const stats = this.sources.stats();
    return this.rates.read(
      stats,
      {
        stanzas: stats.stanzasSent,
        chars: stats.sentChars.lean + stats.sentChars.ibb,
        ...{ updatesIn: stats.updatesIn, conflated: stats.rowsConflated, refusals: stats.refusals },
      },
      seconds,
    );
  }

  /** `ofServices`: what the rows of all services add up to. `now`: monotonic, in ms. */
  row(
    rates: ReturnType<ComponentRows["ratesOf"]>,
    ofServices: Pick<ComponentRow, "updatesOut" | "jsonChars">,
    now: number,
    seconds: number,
  ): ComponentRow {
    const { sources, startedAt } = this;
    const stats = sources.stats();
    const seen = survey(sources.links(), this.broker.catalog.services.values(), now);
    const store = sources.store();
    const nodes = sources.nodes?.();
    const { user, system } = process.cpuUsage();
    const { lastRefused: refused = null } = stats;
    const { micros } = this.processRates.read(process, { micros: user + system }, seconds);
    return {
      ...{ version: VERSION, startedAt },
      links: { ...seen.links, suspended: seen.suspendedLinks },
      services: seen.services.reduce((sum, { count }) => sum + count, 0),
      subscriptions: [...seen.subscriptions.values()].reduce((sum, count) => sum + count, 0),
      ...{ lanes: stats.lanes, cursors: this.broker.cursors.size },
      ...rates,
      ...ofServices,
      lost: stats.positionsLost + stats.storeLost,
      waiting: seen.waiting,
      unackedMs: Math.round(seen.oldestUnackedMs),
      ...{ waitingRows: seen.waitingRows.count, oldestRowMs: Math.round(seen.waitingRows.oldestMs) },
      processor: Math.round(micros / 1_000) / 1_000,
      memoryBytes: process.memoryUsage.rss(),
      loopDelayMs: this.loopDelayMs(),
      roundTripMs: sources.roundTripMs() ?? null,
      refused,
      ...{ slowdowns: stats.slowdowns, cutOffs: stats.cutOffs, cutOff: this.cutOff() },
      ...(nodes && { nodes }),
      store:
        store === undefined
          ? null
          : {
              ...{
                bytes: store.fileBytes,
                freeBytes: sources.freeBytes() ?? null,
                problem: store.problem ?? null,
              },
            },
    };
  }

  private cutOff(): ComponentRow["cutOff"] {
    const today = wallNow();
    return this.broker.budgets
      .cutOff()
      .slice(0, MAX_CUT_OFF)
      .map(({ name, forMs }) => ({ jid: name, until: Math.round((today + forMs) / 1_000) * 1_000 }));
  }

  /** Longest delay since the call before, in ms. */
  private loopDelayMs(): number {
    if (this.delay === undefined) {
      this.delay = monitorEventLoopDelay({ resolution: LOOP_SAMPLE_MS });
      this.delay.enable();
      return 0;
    }
    const ms = this.delay.max / NS_PER_MS - LOOP_SAMPLE_MS;
    this.delay.reset();
    return Math.max(0, Math.round(10 * ms) / 10);
  }

  /** Stops watching the event loop. The next row begins again. */
  stop(): void {
    this.delay?.disable();
    this.delay = undefined;
  }
}
