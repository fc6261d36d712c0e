import { parseNode, StanzapackError } from "@stanzapack/wire";
import { monotonicNow, wallNow } from "@stanzapack/xmpp";
import type { Logger } from "pino";
import { type Later, whenKnown } from "../base/later.js";
import { DEFAULT_CONFIG, type Durability, type ServiceConfig } from "../options/service-config.js";
import type { Store } from "../store/store.js";
import type { OpenRecord, RandomId } from "./offers.js";
import { ServiceRecord } from "./service-record.js";

/** How often the store learns that a publisher is there, in ms. */
const SEEN_MS = 3_600_000;

/** A configuration as a store has it. */
interface PlainConfig extends Omit<ServiceConfig, "members"> {
  readonly members: readonly string[];
  /** The service was withdrawn, and its last subscribers were still reading. */
  readonly withdrawn?: boolean;
}

/** Creates the records of services, in the component's store if it has one, and brings them back after a restart. */
export class StoredServices {
  private store: Store | undefined;

  constructor(
    private readonly randomId: RandomId,
    private readonly log: Logger,
  ) {}

  /** All services with a durability are kept in this store from now on. Without a store, no service has one. */
  use(store: Store): void {
    this.store = store;
  }

  /** Fills in the durability. Throws `unsupported` for a durability that the component does not have. */
  complete(config: ServiceConfig): ServiceConfig {
    const { store } = this;
    const durability = config.durability ?? (store === undefined ? "none" : "interval");
    if (durability !== "none" && store === undefined)
      throw new StanzapackError(
        "unsupported",
        `this component keeps nothing on a disk, so there is no durability ${durability}`,
      );
    return { ...config, durability };
  }

  /** Returns the record of a new service. `config` is complete. */
  readonly open: OpenRecord = (id, config, now) => {
    const { store } = this;
    const made = new ServiceRecord(id, config, this.randomId(), now);
    const { durability = "none" } = config;
    if (store === undefined || durability === "none") return made;
    const { node, epoch, baseAt } = made;
    const created = store.create({
      ...{ node, epoch, baseAt, durability, config: toPlain(config) },
      ...{ offset: 0, incarnations: [], approved: [], last: undefined, seenAt: wallNow() },
    });
    return whenKnown(created, (stored) => new ServiceRecord(id, config, stored.record.epoch, now, stored));
  };

  /** Returns the records of all services that are stored. */
  async restore(): Promise<ServiceRecord[]> {
    const { store } = this;
    if (store === undefined) return [];
    const records: ServiceRecord[] = [];
    for (const { node } of [...store.services()]) {
      const stored = await store.open(node);
      if (stored === undefined) continue;
      const { withdrawn, ...plain } = stored.record.config as PlainConfig;
      if (withdrawn === true) {
        await stored.delete();
        continue;
      }
      if (stored.gap !== undefined)
        this.log.warn({ node, ...stored.gap }, "a crash may have lost these updates");
      const { durability, epoch } = stored.record;
      const config = { ...DEFAULT_CONFIG, ...plain, durability, members: new Set(plain.members) };
      records.push(new ServiceRecord(parseNode(node), config, epoch, monotonicNow(), stored));
    }
    return records;
  }

  /** The configuration or the approvals of a service changed. */
  changed(record: ServiceRecord): void {
    const { config, approved, stored } = record;
    if (stored === undefined) return;
    const { durability } = config;
    if (durability !== undefined && durability !== stored.record.durability)
      this.after(record, stored.setDurability(durability));
    const change = { config: toPlain(config), approved: [...approved] };
    const before = { config: stored.record.config, approved: stored.record.approved };
    if (JSON.stringify(change) !== JSON.stringify(before)) this.after(record, stored.write(change));
  }

  /** The publisher of the service is there, or has just left. */
  seen(record: ServiceRecord): void {
    const { stored } = record;
    if (stored === undefined) return;
    const seenAt = wallNow();
    if (Math.abs(seenAt - stored.record.seenAt) >= SEEN_MS) this.after(record, stored.write({ seenAt }));
  }

  /** A service was withdrawn. `isRead`: subscribers still receive the rest of it. */
  withdrawn(record: ServiceRecord, isRead: boolean): void {
    const { stored, config } = record;
    if (stored === undefined) return;
    this.after(
      record,
      isRead ? stored.write({ config: { ...toPlain(config), withdrawn: true } }) : stored.delete(),
    );
  }

  /** Nobody uses a record that was just created. */
  discard(record: ServiceRecord): void {
    this.withdrawn(record, false);
  }

  private after({ node }: ServiceRecord, done: Later<void>): void {
    if (done instanceof Promise)
      done.catch((error: unknown) => this.log.error({ node, err: error }, "the store did not take a change"));
  }
}

/** Throws `conflict` where a service would have to move between memory and disk. */
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

function toPlain(config: ServiceConfig): PlainConfig {
  return { ...config, members: [...config.members] };
}
