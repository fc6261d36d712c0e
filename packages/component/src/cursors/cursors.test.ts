import { createRawDeflate, createRowCodec, DEFAULT_LIMITS, WHOLE, type Frame } from "@stanzapack/wire";
import { pino } from "pino";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { createStats } from "../base/stats.js";
import { Broker } from "../broker/broker.js";
import { Budgets } from "../budgets/budgets.js";
import { configSchema } from "../config/config.js";
import type { FanOut } from "../fanout/fan-out.js";
import type { ReadyBody } from "../fanout/ready-body.js";
import type { ClientLink, LinkSubscription } from "../links/client-link.js";
import { DEFAULT_CONFIG, type ServiceConfig } from "../options/service-config.js";
import type { StoredCursor, StoredCursors } from "../store/store.js";
import { takeCredit } from "../subscriptions/credit.js";
import { fakeLink } from "../testing/fake-link.js";
import { known } from "../testing/known.js";
import { Cursors } from "./cursors.js";

const NOW = 1_000;
const NODE = "alice@x/log";
const parsed = configSchema.parse({ component: { domain: "a.b", secret: "x" } }).limits;

/** A store that keeps cursors at once, or refuses them. */
function fakeStore(kept: StoredCursor[] = []) {
  const store = { fails: false, kept: new Map(kept.map((cursor) => [keyOf(cursor), cursor])), puts: 0 };
  const write = (act: () => void): Promise<void> => {
    if (store.fails) return Promise.reject(new Error("disk full"));
    act();
    return Promise.resolve();
  };
  const cursors = {
    put: (cursor: StoredCursor) => {
      store.puts++;
      return write(() => store.kept.set(keyOf(cursor), cursor));
    },
    delete: (key: StoredCursor) => write(() => store.kept.delete(keyOf(key))),
    all: () => store.kept.values(),
  } as unknown as StoredCursors;
  return { store, cursors };
}
const keyOf = ({ node, owner, cursor }: Pick<StoredCursor, "node" | "owner" | "cursor">): string =>
  `${node} ${owner} ${cursor}`;
/** Lets the promises of the store settle. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface TestLink {
  readonly link: ClientLink;
  readonly sent: Frame[];
}

/** A component with a log of alice whose newest offset is 10, and a store that has `kept`. */
function setUp(own: Partial<typeof parsed> = {}, kept: StoredCursor[] = []) {
  const limits = { ...parsed, ...own };
  const nothing = new Proxy({}, { get: () => vi.fn() }) as FanOut;
  const log = pino({ level: "silent" });
  const codec = createRowCodec(DEFAULT_LIMITS, createRawDeflate());
  const budgets = new Budgets(limits, createStats(), (domain) => domain === "x");
  const broker = new Broker(nothing, codec, limits, createStats(), () => 7, log, budgets);
  onTestFinished(() => broker.stop());
  const { store, cursors } = fakeStore(kept);
  void broker.cursors.use(cursors);
  const open = (jid: string): TestLink => {
    const sent: Frame[] = [];
    const link = fakeLink(jid, { maySendData: false, sendFrame: (frame: Frame) => sent.push(frame) });
    return { link, sent };
  };
  const publisher = open("alice@x/1").link;
  const offer = (node: string, config: Partial<ServiceConfig> = {}): void => {
    void broker.offers.offer(publisher, node, { ...DEFAULT_CONFIG, kind: "log", ...config }, NOW);
    const service = broker.catalog.find(node);
    service.record.offset = service.record.given = 10;
  };
  offer(NODE);
  const subscribe = (link: ClientLink, cursor: string | undefined, more: object = {}): LinkSubscription => {
    const options = { windowMs: 0, selection: WHOLE, since: undefined, credit: 100, cursor, ...more };
    return known(broker.subscriptions.subscribe(link, NODE, options, NOW));
  };
  /** Sends rows, and has the consumer take `taken` rows in all. */
  const read = (subscription: LinkSubscription, rows: number, to: number, taken: number): void => {
    subscription.service.record.offset = to;
    subscription.send({ rows, to, base64: "", frameFor: () => "" } as unknown as ReadyBody);
    const { alias, link } = subscription.outlet;
    takeCredit(link, { type: "credit", alias, total: 100 + taken }, NOW, broker.cursors);
  };
  return { broker, store, open, offer, subscribe, read };
}

const cursor = { node: NODE, owner: "bob@x", cursor: "a", epoch: 7, offset: 4, at: Date.now() };

describe("a subscription with a cursor", () => {
  it("creates the cursor where it begins, and moves it by what was taken, not by what was sent", async () => {
    const { broker, store, open, subscribe, read } = setUp();
    const subscription = subscribe(open("bob@x/1").link, "a");
    expect(subscription.granted).toMatchObject({ begun: { epoch: 7, offset: 10 }, recovered: undefined });
    expect([...store.kept.values()]).toMatchObject([
      { ...cursor, offset: 10, at: expect.any(Number) as number },
    ]);
    await settle();
    read(subscription, 50, 60, 0);
    broker.cursors.sweep();
    expect(store.puts).toBe(1);
    read(subscription, 10, 70, 20);
    read(subscription, 10, 80, 21);
    broker.cursors.sweep();
    await settle();
    expect([store.puts, store.kept.get(keyOf(cursor))?.offset]).toEqual([2, 31]);
    read(subscription, 1, 81, 25);
    broker.subscriptions.unsubscribe(subscription);
    expect(store.kept.get(keyOf(cursor))?.offset).toBe(35);
  });

  it("begins behind the cursor, whatever `since` says", () => {
    const { open, subscribe } = setUp({}, [cursor]);
    const subscription = subscribe(open("bob@x/1").link, "a", { since: "first" });
    expect(subscription.granted).toMatchObject({ begun: { epoch: 7, offset: 4 }, recovered: true });
    const other = subscribe(open("carol@x/1").link, "a", { since: { epoch: 7, offset: 8 } });
    expect(other.granted).toMatchObject({ begun: { epoch: 7, offset: 8 }, recovered: true });
  });

  it("begins with the first update if the log has begun anew since", () => {
    const { open, subscribe, store } = setUp({}, [{ ...cursor, epoch: 6, offset: 400 }]);
    const subscription = subscribe(open("bob@x/1").link, "a");
    expect(subscription.granted).toMatchObject({ begun: { epoch: 7, offset: 0 }, recovered: false });
    expect(store.kept.get(keyOf(cursor))).toMatchObject({ epoch: 7, offset: 0 });
  });

  it("ends the one that had the cursor before, on the same lane", () => {
    const { broker, open, subscribe, read } = setUp();
    const [first, second] = [open("bob@x/1"), open("bob@x/2")];
    read(subscribe(first.link, "a"), 20, 30, 7);
    const next = subscribe(second.link, "a");
    expect(first.sent.at(-1)).toMatchObject({
      ...{ type: "error", alias: 0, code: "conflict" },
      text: "your session bob@x/2 has taken over the cursor `a` of `alice@x/log`",
    });
    expect(next.begun).toEqual({ epoch: 7, offset: 17 });
    const service = broker.catalog.find(NODE);
    expect([...service.subscriptions]).toEqual([next]);
    expect([...service.lanes.values()]).toEqual([next.lane]);
    // Other cursors, and the same name of another account, are untouched.
    subscribe(open("bob@x/3").link, "b");
    subscribe(open("carol@x/1").link, "a");
    expect(service.subscriptions.size).toBe(3);
  });

  it("resumes at the cursor, unless another session has it, or it was deleted", () => {
    const { broker, open, subscribe, read } = setUp();
    const [first, second] = [open("bob@x/1"), open("bob@x/2")];
    const subscription = subscribe(first.link, "a");
    read(subscription, 20, 30, 7);
    const kept = { node: NODE, options: subscription.options };
    expect(kept.options.cursor).toBe("a");
    broker.subscriptions.linkEnded(first.link);
    const resume = (link: ClientLink): unknown =>
      broker.subscriptions.resume(link, kept, { epoch: 7, offset: 30 }, NOW);
    const resumed = known(resume(second.link)) as LinkSubscription;
    expect(resumed.begun).toEqual({ epoch: 7, offset: 17 });
    expect(() => resume(open("bob@x/3").link)).toThrow(expect.objectContaining({ code: "conflict" }));
    broker.subscriptions.unsubscribe(resumed);
    void broker.cursors.delete(broker.cursors.find(NODE, "bob@x", "a") as never);
    expect(() => resume(open("bob@x/4").link)).toThrow(expect.objectContaining({ code: "not-subscribed" }));
  });

  it("is refused for a value, and for another name on the same link", () => {
    const { broker, open, offer, subscribe } = setUp();
    offer("alice@x/value", { kind: "value" });
    const { link } = open("bob@x/1");
    const options = { windowMs: 0, selection: WHOLE, since: undefined, credit: 100, cursor: "a" };
    expect(() => broker.subscriptions.subscribe(link, "alice@x/value", options, NOW)).toThrow(
      "only a log or a map has a `cursor`",
    );
    const one = subscribe(link, "a");
    expect(subscribe(link, "a")).toBe(one);
    expect(subscribe(link, undefined)).toBe(one);
    expect(() => subscribe(link, "b")).toThrow("unsubscribe first");
  });
});

describe("cursors", () => {
  it("go with the service, and its holders receive the rest without one", () => {
    const { broker, open, subscribe, store } = setUp({}, [{ ...cursor, node: "alice@x/other" }]);
    const subscription = subscribe(open("bob@x/1").link, "a");
    broker.offers.withdraw(subscription.service);
    expect([subscription.cursor, broker.cursors.size]).toEqual([undefined, 1]);
    expect([...store.kept.values()].map(({ node }) => node)).toEqual(["alice@x/other"]);
  });

  it("go with the access", () => {
    const { broker, open, subscribe } = setUp();
    for (const user of ["bob", "carol"]) subscribe(open(`${user}@x/1`).link, "a");
    const service = broker.catalog.find(NODE);
    void broker.offers.configure(
      service,
      { ...service.config, access: "whitelist", members: new Set(["carol@x"]) },
      NOW,
    );
    expect([...broker.cursors.ofOwner("bob@x"), ...broker.cursors.ofOwner("carol@x")]).toMatchObject([
      { owner: "carol@x" },
    ]);
  });

  it("are bounded for each account, each service, each other domain, and in all", () => {
    const check = (own: Partial<typeof parsed>, jids: readonly string[], text: string): void => {
      const { open, subscribe } = setUp(own);
      const last = jids.length - 1;
      jids.forEach((jid, i) => {
        const { link } = open(`${jid}/${i}`);
        if (i < last) return void subscribe(link, `c${i}`);
        expect(() => subscribe(link, `c${i}`)).toThrow(text);
        // Nothing is left of the refused request, and a cursor that exists needs no room.
        expect(link.subscriptions.size).toBe(0);
      });
      expect(subscribe(open(`${jids[0] as string}/again`).link, "c0").cursor?.name).toBe("c0");
    };
    check({ maxCursorsPerJid: 2 }, ["bob@x", "bob@x", "bob@x"], "bob@x has 2 cursors");
    check({ maxCursorsPerService: 2 }, ["bob@x", "carol@x", "dan@x"], "`alice@x/log` has 2 cursors");
    check({ maxCursors: 1 }, ["bob@x", "carol@x"], "the component has 1 cursors");
    check({ maxCursorsPerJid: 8, remotePercent: 25 }, ["bob@y", "bob@y", "bob@y"], "bob@y has 2 cursors");
    const share = { maxCursorsPerJid: 1, domainShare: 2 };
    check(share, ["bob@y", "carol@y", "dan@y"], "y has 2 cursors");
  });

  it("expire when nobody uses them, and are refreshed while somebody does", async () => {
    let now = 0;
    const limits = { ...parsed, cursorSeconds: 100 };
    const cursors = new Cursors(limits, pino({ level: "silent" }), undefined, () => now);
    const { store, cursors: stored } = fakeStore([
      { ...cursor, at: 0 },
      { ...cursor, cursor: "b", at: 0 },
    ]);
    void cursors.use(stored);
    const held = cursors.find(NODE, "bob@x", "b") as NonNullable<ReturnType<Cursors["find"]>>;
    held.holder = { outlet: {} } as never;
    for (now = 10_000; now <= 200_000; now += 10_000) {
      cursors.sweep();
      await settle();
      if (now === 100_000) expect(cursors.size).toBe(2);
    }
    expect([...store.kept.values()]).toMatchObject([{ cursor: "b" }]);
    expect(200_000 - held.at).toBeLessThan(50_000);
    cursors.release(held);
    now += 100_000;
    cursors.sweep();
    expect([cursors.size, store.kept.size]).toEqual([0, 0]);
  });

  it("are written again when the store takes them again", async () => {
    const { broker, open, subscribe, read, store } = setUp();
    const subscription = subscribe(open("bob@x/1").link, "a");
    await settle();
    store.fails = true;
    read(subscription, 20, 30, 20);
    broker.cursors.sweep();
    await settle();
    expect(store.kept.get(keyOf(cursor))?.offset).toBe(10);
    store.fails = false;
    broker.cursors.sweep();
    await settle();
    expect(store.kept.get(keyOf(cursor))?.offset).toBe(30);
  });
});
