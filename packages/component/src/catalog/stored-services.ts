import { formatNode, parseNode, StanzapackError, type NodeId } from "@stanzapack/wire";
import { monotonicNow, wallNow } from "@stanzapack/xmpp";
import type { Logger } from "pino";
import type { Later } from "../base/later.js";
import type { ComponentStats } from "../base/stats.js";
import { DEFAULT_CONFIG, type Durability, type ServiceConfig } from "../options/service-config.js";
import { STORE_PAUSE_MS } from "../store/base/failure.js";
import type { Store, StoredService } from "../store/store.js";
import type { OpenRecord, RandomId } from "./offers.js";
import { ownRetention } from "./own-retention.js";
import { ServiceRecord } from "./service-record.js";

/** Least time between two writes of `seenAt`, in ms. One hour: an online publisher costs few writes. */
const SEEN_MS = 3_600_000;
/** Services that a start opens at once. 256: a store on another machine answers them in one round trip. */
const OPENED_AT_ONCE = 256;

/** A configuration as plain JSON data, for the store. */
export interface PlainConfig extends Omit<ServiceConfig, "members"> {
  readonly members: readonly string[];
  /** When each account of the record's `approved` used its approval last, in ms since 1970. */
  readonly approvedAt?: readonly number[];
  /** The service was withdrawn while subscribers were still reading. A restart then deletes the service. */
  readonly withdrawn?: boolean;
}

/** Creates the records of services. Keeps them in the component's store, if any, and restores them at a start. */
export class StoredServices {
  private store: Store | undefined;

  constructor(
    private readonly randomId: RandomId,
    private readonly log: Logger,
    private readonly stats: ComponentStats,
  ) {}

  /** Keeps all services with durability `interval` or `sync` in `store` from now on. */
  use(store: Store): void {
    this.store = store;
  }

  /** Called when the configuration of a service or its approvals may have changed. */
  onChanged: ((record: ServiceRecord) => void) | undefined;
  /** Other processes write the store too, so what this one knows of a service may be old. */
  isShared = false;

  /** Fills in the default durability. Throws `unsupported` for a durability that this component does not have. */
  complete(config: ServiceConfig): ServiceConfig {
    const { store } = this;
    if (this.isShared && config.durability === "none" && config.kind !== "value")
      throw new StanzapackError(
        "unsupported",
        `this component has several nodes, so a ${config.kind} needs the durability interval or sync`,
      );
    const durability = config.durability ?? (store === undefined ? "none" : "interval");
    if (durability !== "none" && store === undefined)
      throw new StanzapackError(
        "unsupported",
        `this component keeps nothing on a disk, so there is no durability ${durability}`,
      );
    return { ...config, durability };
  }

  /** Returns the record of a new service, once the store has it. `config` is a result of `complete`. */
  readonly open: OpenRecord = (id, config, now) => {
    const { store } = this;
    const made = new ServiceRecord(id, config, this.randomId(), now);
    let record: ServiceRecord | undefined;
    const retention = ownRetention(() => record?.config ?? config);
    const { durability = "none" } = config;
    if (store === undefined || durability === "none") return made;
    const { node, epoch, baseAt } = made;
    const created = store.create(
      {
        ...{ node, epoch, baseAt, durability, config: toPlain(config) },
        ...{ offset: 0, incarnations: [], approved: [], last: undefined, seenAt: wallNow() },
      },
      { retention },
    );
    const toRecord = (stored: StoredService): ServiceRecord =>
      (record = new ServiceRecord(id, config, stored.record.epoch, now, stored));
    if (!(created instanceof Promise)) return toRecord(created);
    return created.then(toRecord, (error: unknown) => {
      const reason = error instanceof StanzapackError ? error.text : String(error);
      this.log.error({ node, reason }, "a new service is refused: the store does not take it");
      // The publisher's own store is well, so `store-failed` would mislead it. It tries again later.
      throw new StanzapackError("busy", `the component cannot store \`${node}\` now: ${reason}`, {
        retryAfterMs: STORE_PAUSE_MS,
        cause: error,
      });
    });
  };

  /**
   * Takes a service over that another process may have written last, or creates it. This process has claimed it. Rejects
   * as `open`.
   */
  async takeOver(id: NodeId, config: ServiceConfig): Promise<ServiceRecord> {
    const { store } = this;
    const { durability = "none" } = config;
    if (store?.share === undefined || durability === "none") return this.open(id, config, monotonicNow());
    const node = formatNode(id);
    const found = await store.share().refresh(node);
    const record = found === undefined ? undefined : await this.reopen(store, node);
    return record ?? this.open(id, config, monotonicNow());
  }

  /** Opens the stored services of this node, and returns their records. Deletes those that were withdrawn. */
  async restore(isOurs: (node: string) => boolean = () => true): Promise<ServiceRecord[]> {
    const { store } = this;
    if (store === undefined) return [];
    const records: ServiceRecord[] = [];
    const nodes = [...store.services()].map(({ node }) => node).filter(isOurs);
    for (let i = 0; i < nodes.length; i += OPENED_AT_ONCE) {
      const some = nodes.slice(i, i + OPENED_AT_ONCE);
      const opened = await Promise.all(some.map((node) => this.reopen(store, node)));
      for (const record of opened) if (record !== undefined) records.push(record);
    }
    return records;
  }

  /** Opens a stored service. Resolves to undefined if it was withdrawn: then it is deleted. */
  private async reopen(store: Store, node: string): Promise<ServiceRecord | undefined> {
    // The store may read the bounds before there is a record.
    const made: { record?: ServiceRecord } = {};
    const stored = await store.open(node, { retention: ownRetention(() => made.record?.config) });
    if (stored === undefined) return undefined;
    const { withdrawn, approvedAt, ...plain } = stored.record.config as PlainConfig;
    if (withdrawn === true) {
      await stored.delete();
      return undefined;
    }
    if (stored.gap !== undefined) {
      const { from, to } = stored.gap;
      this.stats.storeLost += to - from + 1;
      this.log.warn({ node, from, to }, "a crash may have lost these updates");
    }
    const { durability, epoch } = stored.record;
    const config = { ...DEFAULT_CONFIG, ...plain, durability, members: new Set(plain.members) };
    return (made.record = new ServiceRecord(
      ...([parseNode(node), config, epoch, monotonicNow(), stored, approvedAt] as const),
    ));
  }

  /** Stores a changed configuration or changed approvals. Resolves when they are stored. Logs a failure. */
  changed(record: ServiceRecord): Later<void> {
    const { config, approved, stored } = record;
    this.onChanged?.(record);
    if (stored === undefined) return;
    const { durability } = config;
    if (durability !== undefined && durability !== stored.record.durability)
      void this.after(record, stored.setDurability(durability));
    const plain: PlainConfig =
      approved.size === 0 ? toPlain(config) : { ...toPlain(config), approvedAt: approved.usedAt() };
    const change = { config: plain, approved: [...approved] };
    const before = { config: stored.record.config, approved: stored.record.approved };
    if (JSON.stringify(change) !== JSON.stringify(before)) return this.after(record, stored.write(change));
  }

  /** Notes that the publisher of the service is online. */
  seen(record: ServiceRecord): void {
    const { stored } = record;
    if (stored === undefined) return;
    const seenAt = wallNow();
    if (Math.abs(seenAt - stored.record.seenAt) >= SEEN_MS) void this.after(record, stored.write({ seenAt }));
  }

  /**
   * Deletes a withdrawn service. `isRead`: subscribers still receive the rest, so the service is only marked. Resolves
   * when that is stored. Logs a failure.
   */
  withdrawn(record: ServiceRecord, isRead: boolean): Later<void> {
    const { stored, config } = record;
    if (stored === undefined) return;
    return this.after(
      record,
      isRead ? stored.write({ config: { ...toPlain(config), withdrawn: true } }) : stored.delete(),
    );
  }

  /** Deletes a record that was just created and that nobody uses. */
  discard(record: ServiceRecord): void {
    void this.withdrawn(record, false);
  }

  private after({ node }: ServiceRecord, done: Later<void>): Later<void> {
    if (done instanceof Promise)
      done.catch((error: unknown) => this.log.error({ node, err: error }, "the store did not take a change"));
    return done;
  }
}

/** Throws `conflict` if the new durability would move a service between memory and disk. */
export function assertSameMedium(
  node: string,
  before: Durability | undefined,
  after: Durability | undefined,
): void {
  if ((before === "none") === (after === "none")) return;
  throw new StanzapackError(
    "conflict",
    `\`${node}\` is offered with durability ${before}, not ${after}: withdraw it first`,
  );
}

/** Returns a configuration as plain JSON data. */
export function toPlain(config: ServiceConfig): PlainConfig {
  return { ...config, members: [...config.members] };
}

/** Returns the configuration of such data. */
export function fromPlain(data: unknown): ServiceConfig {
  const { withdrawn: _withdrawn, approvedAt: _approvedAt, ...plain } = data as PlainConfig;
  return { ...DEFAULT_CONFIG, ...plain, members: new Set(plain.members) };
}
