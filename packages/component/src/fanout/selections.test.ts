import {
  createRawDeflate,
  createRowCodec,
  DataReader,
  decodeBlock,
  DEFAULT_CODEC_LIMITS,
  DEFAULT_LIMITS,
  encodeUpdate,
  Position,
  ReadBudget,
  WHOLE,
  type Selection,
  type Value,
} from "@stanzapack/wire";
import { monotonicNow, type Connection } from "@stanzapack/xmpp";
import { pino } from "pino";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Broker } from "../broker/broker.js";
import { fakeLink } from "../testing/fake-link.js";
import { known } from "../testing/known.js";
import { configSchema } from "../config/config.js";
import { FanOut } from "./fan-out.js";
import type { AskedOptions } from "../options/subscribe-options.js";
import type { KeptSubscription } from "../subscriptions/resumption.js";
import { isWithin, Projection } from "./selector.js";
import type { ServiceConfig } from "../options/service-config.js";
import { createStats } from "../base/stats.js";
import type { Subscription } from "../subscriptions/subscription.js";
import { reattach } from "../subscriptions/credit.js";

const { limits } = configSchema.parse({ component: { domain: "a.b", secret: "x" } });
const codec = createRowCodec(DEFAULT_LIMITS, createRawDeflate());
const log = pino({ level: "silent" });
const NODE = "alice@x/t";
const config: ServiceConfig = {
  ...({ kind: "value", access: "open" } as const),
  ...{ members: new Set(), title: "" },
};

const ASKED: readonly AskedOptions[] = (
  [
    [0, {}],
    [100, {}],
    [0, { fields: ["a"] }],
    [100, { fields: ["a"], deadband: 2 }],
    [0, { deadband: 3 }],
    [200, { deadband: 3, heartbeatMs: 1_000 }],
    [0, { maxRate: 4 }],
    [100, { maxRate: 4, deadband: 1 }],
    [200, { samples: "latest" }],
    [0, { samples: "latest", deadband: 2, maxRate: 3, fields: ["a"] }],
  ] as const
).map(([windowMs, selection]) => ({ windowMs, selection: { ...WHOLE, ...selection } }));

/** A client that compares all received updates with what was published. */
class Taker {
  maySendData = true;
  readonly session = { budget: new ReadBudget(DEFAULT_LIMITS.maxInflatedBytes) };
  subscription: Subscription | undefined;
  newest = 0;
  private reader = new DataReader(DEFAULT_CODEC_LIMITS, DEFAULT_LIMITS, codec);
  private readonly position = new Position();
  /** The subscription when its link ended. */
  kept: KeptSubscription | undefined;

  constructor(private readonly published: ReadonlyMap<number, Value>) {
    Object.defineProperty(this.link, "maySendData", { get: () => this.maySendData });
  }

  readonly link = fakeLink("bob@x/1", {
    session: this.session,
    format: { delivery: "link", sizeClass: 65_535, coded: true, deflates: false, hop: "plain" },
    takeAlias: () => 0,
    append: (base64: string, isData: boolean) => {
      if (isData) this.receive(base64);
    },
    maySendDataAt: () => this.maySendData,
  });

  /** Begins a new link, which knows nothing of the old link's chains. */
  begin(): Position["current"] {
    this.maySendData = true;
    this.reader = new DataReader(DEFAULT_CODEC_LIMITS, DEFAULT_LIMITS, codec);
    return this.position.current;
  }

  private receive(base64: string): void {
    expect(this.maySendData).toBe(true);
    for (const frame of decodeBlock(Buffer.from(base64, "base64"), DEFAULT_LIMITS)) {
      if (frame.type !== "data" && frame.type !== "coded") throw new Error(frame.type);
      const batch = this.reader.read(frame, true, this.session.budget);
      if (batch === undefined) throw new Error("a body of a chain that it is not on");
      for (const event of this.position.advance(batch, 0)) {
        if (event.event === "row") {
          const { offset, row } = event;
          expect(offset).toBeGreaterThan(this.newest);
          this.newest = offset;
          const value = this.published.get(offset);
          // The value has the fields of the selection, or those of the selection before.
          const whole = JSON.stringify(row) === JSON.stringify(value);
          if (!whole) expect(row).toEqual({ a: (value as { a: number }).a });
        } else if (event.event === "lost") {
          for (let offset = event.from; offset <= event.to; offset++)
            if (this.published.has(offset)) expect.fail(`${offset} is told as lost`);
        } else expect(event.event).toBe("conflated");
      }
    }
  }
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it.each(Array.from({ length: 20 }, (_, i) => i + 1))(
  "whoever comes, changes, is slow, goes and resumes, nothing is lost and everyone has the newest at last: seed %d",
  async (seed) => {
    const random = (n: number): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % n;
    };
    const pick = <T>(items: readonly T[]): T => items[random(items.length)] as T;
    const drained: (() => void)[] = [];
    const connection = {
      ...{ state: "online", writable: true, send: () => true },
      on: (_: string, handler: () => void) => {
        drained.push(handler);
        return () => undefined;
      },
    };
    const setWritable = (writable: boolean): void => {
      connection.writable = writable;
      if (writable) for (const handler of drained) handler();
    };
    const stats = createStats();
    const fanOut = new FanOut(connection as unknown as Connection, stats, log);
    const broker = new Broker(fanOut, codec, limits, stats, () => 7, log);
    const published = new Map<number, Value>();
    const outcome = known(broker.offers.offer(fakeLink("alice@x/1"), NODE, config, monotonicNow()));
    if (!("service" in outcome)) throw new Error("held");
    const { service } = outcome;
    let sequence = 0;
    const publish = (): void => {
      const hole = random(20) === 0 ? random(5) : 0;
      const left = random(10) === 0 ? random(3) : 0;
      const values = Array.from({ length: 1 + random(3) }, () => ({ a: random(8), b: random(8) }));
      const from = sequence + 1 + (sequence === 0 ? 0 : hole);
      sequence = from + left + values.length - 1;
      const encoded = codec.encode(
        values.map((value) => encodeUpdate(value, DEFAULT_LIMITS)),
        "plain",
      );
      const times = { at: random(50), spanMs: values.length === 1 ? 0 : random(50) };
      const frame = { type: "data", alias: 0, epoch: 1, from, to: sequence, ...times, ...encoded } as const;
      broker.publishing.publish(service, frame, monotonicNow());
      for (let i = 0; i < left + values.length; i++) {
        const offset = service.record.offset - i;
        published.set(offset, values[values.length - 1 - i] ?? null);
      }
    };
    const takers = Array.from({ length: 4 }, () => new Taker(published));
    const subscribe = (taker: Taker): void => {
      const asked = { ...pick(ASKED), since: undefined, credit: Infinity };
      taker.subscription = known(broker.subscriptions.subscribe(taker.link, NODE, asked, monotonicNow()));
    };
    const credit = (taker: Taker, has: boolean): void => {
      taker.maySendData = has;
      if (has) reattach(taker.link, monotonicNow());
    };
    const cut = (taker: Taker): void => {
      const { subscription } = taker;
      if (subscription === undefined) return;
      taker.kept = { node: NODE, options: subscription.options };
      taker.subscription = undefined;
      broker.subscriptions.unsubscribe(subscription);
    };
    const resume = (taker: Taker): void => {
      if (taker.kept === undefined) return;
      const { link, kept } = taker;
      taker.subscription = known(broker.subscriptions.resume(link, kept, taker.begin(), monotonicNow()));
      expect(taker.subscription.options).toEqual(taker.kept.options);
      taker.kept = undefined;
    };
    takers.forEach(subscribe);

    for (let step = 0; step < 400; step++) {
      const taker = pick(takers);
      const { subscription } = taker;
      const dice = random(20);
      if (dice < 10) publish();
      else if (dice < 12 && subscription !== undefined && taker.maySendData)
        broker.subscriptions.change(subscription, pick(ASKED), monotonicNow());
      else if (dice === 12) credit(taker, !taker.maySendData);
      else if (dice === 14) (taker.kept === undefined ? cut : resume)(taker);
      else if (dice === 13 && step % 7 === 0) setWritable(!connection.writable);
      else await vi.advanceTimersByTimeAsync(random(120));
    }
    setWritable(true);
    takers.forEach(resume);
    // Some takers cannot receive the last update at once.
    if (random(2) === 0) publish();
    for (const taker of takers) credit(taker, true);
    await vi.advanceTimersByTimeAsync(2_000);
    for (const { newest, subscription } of takers) {
      const { deadband, fields } = subscription?.lane.key.selection as Selection;
      if (deadband === null) expect(newest).toBe(service.record.offset);
      const project = (value: Value): Value => (fields === null ? value : new Projection(fields).pick(value));
      const [theirs, last] = [newest, service.record.offset].map((offset) =>
        project(published.get(offset) ?? null),
      );
      // A taker may have received another value before it changed lanes than the last one that its lane sent. So the
      // bound is twice the deadband.
      if (newest !== service.record.offset)
        expect(isWithin(theirs as Value, last as Value, 2 * (deadband ?? 0))).toBe(true);
    }
    for (const { subscription } of takers)
      if (subscription !== undefined) broker.subscriptions.unsubscribe(subscription);
    expect(stats.lanes).toBe(0);
    fanOut.stop();
    expect(vi.getTimerCount()).toBe(0);
  },
);
