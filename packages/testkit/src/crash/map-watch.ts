import { StanzapackError, type Client, type OfferedMap, type Subscription } from "@stanzapack/client";
import type { Random } from "../base/random.js";
import type { LogDurability } from "./stage.js";

/** Time between two changes, in ms: about 40 a second. */
const GAP_MS = 25;
const KEYS = 200;
/** Of 100 changes, this many remove a key, set a pair of keys, and clear the map. The others set one key. */
const SHARES = { delete: 15, pair: 20, clear: 1 };
/** Most findings of one map. Further findings mostly follow from the first one. */
const MAX_FINDINGS = 5;

interface Entry {
  readonly n: number;
  readonly text: string;
}

/** A map that changes all the time, and subscribers whose copies must follow it. */
export class MapWatch {
  readonly findings: string[] = [];
  private readonly model = new Map<string, Entry>();
  private timer: NodeJS.Timeout | undefined;
  private count = 0;

  private constructor(
    readonly offered: OfferedMap<Entry>,
    readonly copies: readonly Subscription<Entry>[],
    private readonly random: Random,
  ) {
    for (const [i, copy] of copies.entries()) this.watch(copy, `map copy ${i + 1}`);
    offered.on("ended", (error) => error && this.fault(`the map ended: ${error.message}`));
  }

  static async start(
    publisher: Client,
    subscribers: readonly Client[],
    name: string,
    random: Random,
    durability: LogDurability,
  ): Promise<MapWatch> {
    const offered = await publisher.offer<Entry>(name, {
      kind: "map",
      durability,
    });
    const copies = await Promise.all(
      subscribers.map((client, i) => client.subscribe<Entry>(offered.node, { windowMs: i * 100 })),
    );
    return new MapWatch(offered, copies, random);
  }

  private fault(text: string): void {
    if (this.findings.length < MAX_FINDINGS) this.findings.push(text);
  }

  private watch(copy: Subscription<Entry>, name: string): void {
    const followed = new Map<string, Entry>();
    copy.on("change", ({ key, value, previous }) => {
      if (followed.get(key)?.n !== previous?.n)
        this.fault(`${name}: \`${key}\` changed from what it was not`);
      if (value === undefined) followed.delete(key);
      else followed.set(key, value);
      const [left, right] = [copy.map.get("left"), copy.map.get("right")];
      if (left?.n !== right?.n) this.fault(`${name}: it has half of a batch: ${left?.n} and ${right?.n}`);
    });
    copy.on("ended", (error) => {
      if (error !== undefined && error.code !== "withdrawn")
        this.fault(`${name}: it ended: ${error.message}`);
    });
  }

  begin(): void {
    this.timer = setInterval(() => this.change(), GAP_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private change(): void {
    const { offered, model, random } = this;
    const kind = random.below(100);
    const key = `key/${random.below(KEYS)}`;
    const entry = { n: ++this.count, text: random.below(2 ** 31).toString(36) };
    try {
      if (kind < SHARES.clear) {
        offered.clear();
        model.clear();
      } else if (kind < SHARES.delete) {
        offered.delete(key);
        model.delete(key);
      } else if (kind < SHARES.delete + SHARES.pair) {
        offered.batch(() => ["left", "right"].forEach((side) => offered.set(side, entry)));
        for (const side of ["left", "right"]) model.set(side, entry);
      } else {
        offered.set(key, entry);
        model.set(key, entry);
      }
    } catch (error) {
      // It refuses changes while too many wait, and ends with its client.
      if (!(error instanceof StanzapackError && (error.code === "busy" || error.code === "stopped")))
        throw error;
    }
  }

  /** Whether each copy is the map. */
  get settled(): boolean {
    return this.copies.every((copy) => copy.synced && this.isSame(copy.map));
  }

  /** What differs, for findings. */
  get standing(): string {
    return this.copies
      .map((copy) => `${copy.status}${copy.synced ? "" : ", not synced"}, ${copy.map.size} keys`)
      .concat(`${this.model.size} keys published`)
      .join("; ");
  }

  private isSame(copy: ReadonlyMap<string, Entry>): boolean {
    if (copy.size !== this.model.size) return false;
    for (const [key, { n, text }] of this.model) {
      const other = copy.get(key);
      if (other?.n !== n || other.text !== text) return false;
    }
    return true;
  }
}
