import type { StanzapackError } from "@stanzapack/wire";
import type { Budgets } from "../budgets/budgets.js";
import type { ServiceRecord } from "../catalog/service-record.js";
import type { ComponentLimits } from "../config/config.js";
import type { Cursors } from "../cursors/cursors.js";
import type { FanOut } from "../fanout/fan-out.js";
import type { StoredEntry } from "../store/store.js";
import type { Subscription } from "../subscriptions/subscription.js";
import type { CatchUp } from "./catch-up.js";
import { MapKind, type MapBounds } from "./map.js";
import { MapMemory } from "./map-memory.js";
import { MapChecks, type CheckParts } from "./map-checks.js";

/** Removals of one map take at most this part of the bytes of its keys and values. */
const REMOVALS_PART = 4;

/** Creates maps, within the memory of all maps. */
export class Maps {
  private readonly memory: MapMemory;
  private readonly bounds: MapBounds;
  private readonly checks: MapChecks;

  constructor(
    private readonly fanOut: FanOut,
    private readonly catchUp: CatchUp,
    limits: ComponentLimits,
    private readonly parts: Omit<CheckParts, "host" | "limits"> & {
      readonly budgets: Pick<Budgets, "isOurs">;
      readonly cursors: Cursors;
    },
    private readonly onFailed: (subscription: Subscription, error: StanzapackError) => void,
  ) {
    this.memory = new MapMemory(limits, parts.budgets.isOurs);
    this.checks = new MapChecks({ ...parts, host: fanOut, limits });
    this.bounds = {
      get maxKeys() {
        return limits.mapMaxKeys;
      },
      get maxBytes() {
        return limits.mapMaxBytes;
      },
      get maxRemovals() {
        return limits.mapMaxRemovals;
      },
      get maxRemovalBytes() {
        return limits.mapMaxBytes / REMOVALS_PART;
      },
      get maxAgeMs() {
        return limits.mapRemovalSeconds * 1_000;
      },
      get maxPinnedMs() {
        return limits.mapCursorRemovalSeconds * 1_000;
      },
    };
  }

  /** Bytes of all maps, as they count for their limits. */
  get memoryBytes(): number {
    return this.memory.used;
  }

  /** Returns the kind of a map: with its state from the store, or empty. `entries`: those of the store. */
  create(record: ServiceRecord, entries?: Iterable<StoredEntry>): MapKind {
    const { fanOut, catchUp, checks, bounds, onFailed } = this;
    const { cursors } = this.parts;
    const share = this.memory.open(record.id.owner);
    return new MapKind(record, share, { fanOut, catchUp, checks, bounds, cursors, onFailed }, entries);
  }

  stop(): void {
    this.checks.stop();
  }
}
