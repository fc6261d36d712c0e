import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  DataReader,
  DEFAULT_CODEC_LIMITS,
  DEFAULT_LIMITS,
  createRowCodec,
  decodeBlock,
  WHOLE,
} from "@stanzapack/wire";
import { monotonicNow } from "@stanzapack/xmpp";
import { describe, expect, it, onTestFinished } from "vitest";
import type { Service } from "../catalog/service.js";
import type { ClientLink } from "../links/client-link.js";
import type { Durability, ServiceConfig } from "../options/service-config.js";
import { DiskStore } from "../store/disk/disk-store.js";
import { LmdbEngine } from "../store/disk/lmdb-engine.js";
import { LosesUnflushed, storeOptions } from "../testing/stores.js";
import { createWholeBroker, type WholeBroker } from "../testing/whole-broker.js";

const ROUNDS = 12;
const STEPS = 40;

/** Numbers that are as random as a test needs, the same each time. */
function createRandom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** The test's memory of one service over all power cuts. Values are 1, 2, 3, … and so are their sequences. */
class Story {
  /** Values published so far, into the publisher's outbox. */
  published = 0;
  /** The publisher forgot the values up to this one, since the component said KEPT. */
  kept = 0;
  /** The values that the present component has been sent. */
  sent = 0;
  /** What subscribers received, by offset. */
  readonly received = new Map<number, number>();
  /** Values that the publisher cannot send again. */
  readonly lost = new Set<number>();
  epoch: number | undefined;

  constructor(
    readonly node: string,
    readonly durability: Durability,
    readonly kind: "log" | "value",
  ) {}
}

/** One life of the component. */
class Life {
  readonly engine: LosesUnflushed;
  private readonly store: DiskStore;
  private readonly whole: WholeBroker;
  private readonly alice: ClientLink;
  private readonly services = new Map<Story, Service>();
  private over = false;

  constructor(file: string, stories: readonly Story[]) {
    this.engine = new LosesUnflushed(new LmdbEngine(file));
    this.store = new DiskStore(this.engine, storeOptions());
    this.whole = createWholeBroker();
    const byAlias = (alias: number): Story => stories[alias] as Story;
    this.alice = this.whole.open("alice@x/1", {
      noteKept: (alias: number, _: number, sequence: number) => {
        if (this.over) return;
        const story = byAlias(alias);
        story.kept = Math.max(story.kept, sequence);
      },
    }).link;
  }

  /** Brings back what is stored. The publisher offers its services, and sends what was not kept. */
  async begin(stories: readonly Story[]): Promise<void> {
    const { broker } = this.whole;
    broker.stored.use(this.store);
    await broker.offers.restore();
    for (const story of stories) {
      const { node, kind, durability } = story;
      const config: Partial<ServiceConfig> = { kind, durability };
      this.engine.held = false;
      const service = await this.whole.offer(this.alice, node, config);
      this.engine.held = true;
      this.services.set(story, service);
      const { epoch, incarnations } = service.record;
      // Each life has the same epoch, so no offset may mean two things.
      expect((story.epoch ??= epoch)).toBe(epoch);
      const newest = Math.max(0, ...story.received.keys());
      expect(service.record.given, `${node}: no offset comes again`).toBeGreaterThanOrEqual(newest);
      const stored = incarnations.storedOf(1);
      if (durability === "sync") {
        expect(stored, `${node}: what was said to be kept`).toBeGreaterThanOrEqual(story.kept);
        expect(service.record.offset, `${node}: what was received`).toBeGreaterThanOrEqual(newest);
      }
      // With `interval` the publisher may have forgotten what is lost now.
      for (let n = stored + 1; n <= story.kept; n++) story.lost.add(n);
      story.sent = Math.max(stored, story.kept);
      this.subscribe(story);
      this.publish(story, 0);
    }
  }

  private subscribe(story: Story): void {
    const reader = new DataReader(DEFAULT_CODEC_LIMITS, DEFAULT_LIMITS, createRowCodec(DEFAULT_LIMITS));
    const { link } = this.whole.open("bob@x/1", {
      append: (text: string, isData: boolean) => {
        if (!isData || this.over) return;
        for (const frame of decodeBlock(Buffer.from(text, "base64"), DEFAULT_LIMITS)) {
          if (frame.type !== "data" && frame.type !== "coded") continue;
          const batch = reader.read(frame, true);
          for (const [i, value] of (batch?.rows ?? []).entries())
            this.take(story, (batch?.to ?? 0) - (batch?.rows.length ?? 0) + 1 + i, value as number);
        }
      },
    });
    const newest = Math.max(0, ...story.received.keys());
    const since = story.kind === "log" ? { epoch: story.epoch as number, offset: newest } : undefined;
    const asked = { windowMs: 0, selection: WHOLE, since, credit: Infinity };
    void this.whole.broker.subscriptions.subscribe(link, story.node, asked, monotonicNow());
  }

  private take({ node, received }: Story, offset: number, value: number): void {
    const before = received.get(offset);
    if (before !== undefined) expect(value, `${node}: offset ${offset}`).toBe(before);
    received.set(offset, value);
  }

  /** The publisher has some more values, and sends what it has not sent to this component. */
  publish(story: Story, more: number): void {
    story.published += more;
    const values = Array.from({ length: story.published - story.sent }, (_, i) => story.sent + 1 + i);
    if (values.length === 0) return;
    this.whole.publish(this.services.get(story) as Service, values, story.sent + 1);
    story.sent = story.published;
  }

  /** The power fails. */
  async cut(): Promise<void> {
    this.over = true;
    this.whole.broker.stop();
    await this.engine.cut();
  }

  /** Every value reaches the disk and the subscribers. */
  async settle(stories: readonly Story[]): Promise<void> {
    this.engine.held = false;
    this.engine.flush();
    // The newest values may be lost, so each service has another one.
    for (const story of stories) this.publish(story, 1);
    await expect
      .poll(() => stories.filter(({ received, published }) => [...received.values()].at(-1) !== published))
      .toEqual([]);
  }
}

describe("a component whose power fails at any moment", () => {
  it.each(Array.from({ length: ROUNDS }, (_, i) => i + 1))(
    "has what it said it keeps, and gives no offset two meanings (%i)",
    async (seed) => {
      const random = createRandom(seed);
      const location = await mkdtemp(join(tmpdir(), "stanzapack-power-"));
      onTestFinished(() => rm(location, { recursive: true, force: true }));
      const sync = new Story("alice@x/sync", "sync", "log");
      const interval = new Story("alice@x/interval", "interval", "log");
      const value = new Story("alice@x/value", "interval", "value");
      const stories = [sync, interval, value];
      const begin = async (): Promise<Life> => {
        const life = new Life(join(location, "data.mdb"), stories);
        await life.begin(stories);
        return life;
      };
      let life = await begin();
      for (let step = 0; step < STEPS; step++) {
        const what = random(10);
        if (what < 5) life.publish(stories[random(stories.length)] as Story, 1 + random(5));
        else if (what < 7) life.engine.flush();
        else if (what < 8) await new Promise(setImmediate);
        // As long as the interval of the store, or longer.
        else if (what < 9) await new Promise((resolve) => setTimeout(resolve, random(40)));
        else {
          await life.cut();
          life = await begin();
        }
      }
      await life.settle(stories);
      await life.cut();
      const upTo = (last: number): number[] => Array.from({ length: last }, (_, i) => i + 1);
      expect([...sync.received]).toEqual(upTo(sync.published).map((n) => [n, n]));
      expect(sync.lost.size).toBe(0);
      const received = new Set(interval.received.values());
      expect(upTo(interval.published).filter((n) => !received.has(n) && !interval.lost.has(n))).toEqual([]);
    },
  );
});
