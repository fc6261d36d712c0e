import type { Client, RangeEvent, StatusEvent, Subscription, Value } from "@stanzapack/client";
import { until } from "@stanzapack/testkit";
import { NS } from "@stanzapack/xmpp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HELLO, openRawLink } from "./support/raw-link.js";
import { publishCounter, startStack, type Stack } from "./support/stack.js";
import { behind } from "./support/whole.js";

interface Told<T> {
  readonly values: T[];
  readonly offsets: number[];
  readonly conflated: RangeEvent[];
  readonly lost: RangeEvent[];
  readonly statuses: StatusEvent[];
}

function record<T>(subscription: Subscription<T>): Told<T> {
  const told: Told<T> = { values: [], offsets: [], conflated: [], lost: [], statuses: [] };
  subscription.on("update", ({ value, offset }) => {
    told.values.push(value);
    told.offsets.push(offset);
  });
  for (const event of ["conflated", "lost"] as const)
    subscription.on(event, (range) => told[event].push(range));
  subscription.on("status", (event) => told.statuses.push(event));
  return told;
}

/**
 * Expects that every offset from the first value to the last was either a value or conflated, and that none was lost.
 */
function expectExact({ offsets, conflated, lost }: Told<unknown>): void {
  expect(lost).toEqual([]);
  const all = [...offsets, ...conflated.flatMap(({ from, to }) => range(from, to))].sort((a, b) => a - b);
  expect(all).toEqual(range(offsets[0] ?? 0, offsets.at(-1) ?? -1));
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

interface Reading {
  readonly [key: string]: Value;
  readonly n: number;
}

const reading = (n: number): Reading => ({ n, temperature: 20 + n / 1_000, place: "roof", raw: [n, -n] });

describe.each(behind("ejabberd"))("what a subscriber selects, through %s", (server) => {
  let stack: Stack;
  let alice: Client;
  let bob: Client;
  let carol: Client;

  beforeAll(async () => {
    stack = await startStack(server, ["alice", "bob", "carol", "dave"], {
      limits: { maxSelectionsPerService: 3, maxSelectionsPerAccount: 2 },
    });
    [alice, bob, carol] = await Promise.all([
      stack.connect("alice"),
      stack.connect("bob"),
      stack.connect("carol"),
    ]);
  });
  afterAll(() => stack.stop());

  it("fields: these alone travel, also of the last value and to a neighbour of whole ones", async () => {
    const service = await alice.offer("fields");
    const whole = await carol.subscribe<Reading>(service.node);
    const [seen, all] = [[] as Value[], record(whole)];
    service.publish(reading(1));
    await until(() => all.values.length === 1, 5_000, "the first value");
    const some = await bob.subscribe(service.node, { fields: ["temperature", "n", "n", "none"] });
    expect(some.selection).toEqual({
      ...{ samples: "all", maxRate: null, deadband: null, heartbeatMs: null },
      ...{ fields: ["n", "none", "temperature"], keys: null, prefix: null },
    });
    const told = record(some);
    for (const value of [reading(2), 3, [4], { other: 5 }, reading(6)]) {
      seen.push(value);
      service.publish(value);
    }
    await until(() => told.values.length === 6 && all.values.length === 6, 5_000, "all values");
    expect(told.values).toEqual([
      { n: 1, temperature: 20.001 },
      { n: 2, temperature: 20.002 },
      ...[3, [4], {}],
      { n: 6, temperature: 20.006 },
    ]);
    expect(all.values).toEqual([reading(1), ...seen]);
    expect([told.conflated, told.lost]).toEqual([[], []]);
    await Promise.all([some.stop(), whole.stop(), service.stop()]);
  });

  it("fields: cost what they are, not what the values are", async () => {
    const service = await alice.offer("wide");
    const chars = [0, 0];
    const clients = [bob, carol];
    const subscriptions = await Promise.all(
      clients.map((client, i) =>
        client.subscribe<Reading>(service.node, { windowMs: 100, fields: i === 0 ? ["f1"] : null }),
      ),
    );
    const told = subscriptions.map(record);
    for (const [i, client] of clients.entries())
      client.onBlock = (stanzaChars, frames) => {
        if (frames.some(({ node }) => node === service.node)) chars[i] = (chars[i] ?? 0) + stanzaChars;
      };
    let n = 0;
    const noise = (i: number): number => Math.round(1_000 * Math.sin(n * (i + 1))) / 1_000;
    // The same number in each stanza, however busy the machine is.
    const timer = setInterval(() => {
      for (const end = n + 20; n < end; n++)
        service.publish(Object.fromEntries(range(1, 20).map((i) => [`f${i}`, noise(i)])));
    }, 100);
    await until(() => told.every(({ values }) => values.length > 200), 20_000, "values");
    clearInterval(timer);
    for (const client of clients) client.onBlock = undefined;
    const perValue = told.map(({ values }, i) => (chars[i] ?? 0) / values.length);
    // 10 characters a value instead of 43. Most of them are its share of the envelope.
    expect((perValue[0] ?? 0) * 2).toBeLessThan(perValue[1] ?? 0);
    await Promise.all([...subscriptions.map((subscription) => subscription.stop()), service.stop()]);
  });

  it("samples and max_rate: the newest, what is left out is conflated, and a neighbour has all", async () => {
    const service = await alice.offer("thin");
    const whole = record(await carol.subscribe<number>(service.node));
    const lanes = stack.component.stats().lanes;
    const latest = await bob.subscribe<number>(service.node, { samples: "latest", windowMs: 200 });
    const dave = await stack.connect("dave");
    const rated = await dave.subscribe<number>(service.node, { maxRate: 5 });
    const erin = await stack.connect("dave");
    const same = await erin.subscribe<number>(service.node, { maxRate: 5 });
    // Two of the four share a lane, and so every byte.
    expect(stack.component.stats().lanes).toBe(lanes + 2);
    const [byWindow, byRate, alike] = [latest, rated, same].map(record) as [
      Told<number>,
      Told<number>,
      Told<number>,
    ];
    const started = performance.now();
    const counter = publishCounter((value) => service.publish(value), 10);
    await until(() => byWindow.values.length >= 6 && byRate.values.length >= 6, 20_000, "values");
    counter.stop();
    const seconds = (performance.now() - started) / 1_000;
    for (const told of [whole, byWindow, byRate, alike])
      await until(() => told.values.at(-1) === counter.count, 5_000, "the newest value");
    for (const told of [whole, byWindow, byRate, alike]) expectExact(told);
    // A selection leaves values out for its own subscription only. If the machine stands still, all subscriptions may
    // lose some.
    expect(whole.values.length).toBeGreaterThan(3 * byRate.values.length);
    // One more value is sent when the publisher stops.
    expect(byRate.values.length).toBeLessThanOrEqual(5 * seconds + 2);
    // One more value is sent before the first boundary, which may be at once.
    expect(byWindow.values.length).toBeLessThanOrEqual(5 * seconds + 3);
    expect(alike.values.slice(-5)).toEqual(byRate.values.slice(-5));
    expect(new Set(byRate.conflated.map(({ reason }) => reason))).toEqual(new Set(["selection"]));
    await Promise.all([dave.close(), erin.close(), latest.stop(), service.stop()]);
  });

  it("deadband and heartbeat: changes that matter, the newest now and then, a word in silence", async () => {
    const service = await alice.offer("quiet");
    const subscription = await bob.subscribe<Reading>(service.node, {
      ...{ deadband: 0.5, fields: ["temperature"], heartbeatMs: 1_900 },
    });
    expect(subscription.selection).toMatchObject({ deadband: 0.5, heartbeatMs: 1_000 });
    const told = record(subscription);
    await until(() => service.demand.windowMs === 0, 5_000, "demand");
    let n = 0;
    const publish = (temperature: number): void => service.publish({ temperature, n: ++n });
    for (const temperature of [20, 20.4, 20.5, 20.6, 20.2, 20.1, 20.15]) publish(temperature);
    const temperatures = (): Value[] => told.values.map((value) => value["temperature"] ?? null);
    await until(() => told.values.length === 3, 5_000, "the heartbeat's value");
    expect(temperatures()).toEqual([20, 20.6, 20.15]);
    expect(told.offsets.map((offset) => offset - (told.offsets[0] ?? 0))).toEqual([0, 3, 6]);
    expectExact(told);
    // A later subscriber receives what the others have received, and then what they receive.
    const later = await carol.subscribe<Reading>(service.node, {
      ...{ deadband: 0.5, fields: ["temperature"], heartbeatMs: 1_000 },
    });
    const joined = record(later);
    publish(20.3);
    publish(21);
    await until(() => temperatures().at(-1) === 21 && joined.values.length === 2, 5_000, "a change");
    expect(temperatures()).toEqual([20, 20.6, 20.15, 21]);
    expect(joined.values).toEqual([{ temperature: 20.15 }, { temperature: 21 }]);
    expectExact(joined);
    await until(() => told.statuses.length >= 1, 5_000, "a sign of life");
    expect(told.statuses[0]).toEqual({ status: "online", by: "publisher", windowMs: 0 });
    expect(told.values).toHaveLength(4);
    await Promise.all([subscription.stop(), later.stop(), service.stop()]);
  });

  it("changes live: positions go on and nothing is lost, whatever to whatever", async () => {
    const service = await alice.offer("live");
    const others = record(await carol.subscribe<Reading>(service.node, { windowMs: 100, maxRate: 20 }));
    const subscription = await bob.subscribe<Reading>(service.node, { windowMs: 100 });
    const told = record(subscription);
    const counter = publishCounter((n) => service.publish(reading(n)), 10);
    const none = { samples: "all", maxRate: null, fields: null, deadband: null } as const;
    for (const change of [
      { deadband: 0.05 },
      { fields: ["n"], windowMs: 0 },
      { deadband: null, maxRate: 4 },
      { maxRate: 20, windowMs: 100, fields: null },
      { ...none, samples: "latest", windowMs: 200 },
      { windowMs: 0, deadband: 20, fields: ["n"] },
      none,
    ] as const) {
      const before = told.values.length;
      await subscription.change(change);
      await until(() => told.values.length > before + 1, 5_000, "values of the new selection");
    }
    counter.stop();
    await until(() => told.values.at(-1)?.n === counter.count, 5_000, "the newest value");
    expect(subscription.selection).toEqual({ ...none, heartbeatMs: null, keys: null, prefix: null });
    expect(told.values.at(-1)).toEqual(reading(counter.count));
    expect(new Set(told.values.map((value) => Object.keys(value).join()))).toEqual(
      new Set(["n,temperature,place,raw", "n"]),
    );
    expectExact(told);
    await until(() => others.values.at(-1)?.n === counter.count, 5_000, "the newest value elsewhere");
    expectExact(others);
    await subscription.stop();
    await service.stop();
  });

  it("of a log are fields, from the journal too; what would leave updates out is refused", async () => {
    const service = await alice.offer("journal", { kind: "log" });
    for (let n = 1; n <= 50; n++) service.publish(reading(n));
    await until(() => !service.pending, 5_000, "all sent");
    const subscription = await bob.subscribe<Reading>(service.node, { since: "first", fields: ["n"] });
    const told = record(subscription);
    for (let n = 51; n <= 60; n++) service.publish(reading(n));
    await until(() => told.values.length === 60, 5_000, "all of it");
    expect(told.values).toEqual(range(1, 60).map((n) => ({ n })));
    await subscription.change({ fields: null });
    service.publish(reading(61));
    await until(() => told.values.length === 61, 5_000, "one more");
    expect(told.values.at(-1)).toEqual(reading(61));
    const refused = {
      code: "invalid-options",
      message: expect.stringContaining("a log promises every update"),
    };
    for (const options of [{ samples: "latest" }, { maxRate: 1 }, { deadband: 0 }] as const) {
      await expect(carol.subscribe(service.node, options)).rejects.toMatchObject(refused);
      await expect(subscription.change(options)).rejects.toMatchObject(refused);
    }
    expect([told.conflated, told.lost]).toEqual([[], []]);
    await subscription.stop();
    await service.stop();
  });

  it("refuses what is out of bounds, with the option's name and its bounds", async () => {
    const service = await alice.offer("bounds");
    const link = await openRawLink(await stack.raw("dave"), stack.domain);
    link.send(HELLO);
    const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `field${i}`);
    for (const [name, value, text] of [
      ["samples", "some", "not one of all, latest"],
      ["samples", ["all", "latest"], "2 values"],
      ["max_rate", "0", "from 0.001 to 1000"],
      ["max_rate", "fast", "is not a number"],
      ["deadband", "-1", "from 0 to"],
      ["deadband", "abc", "is not a number"],
      ["heartbeat", "10", "from 1000 to"],
      ["heartbeat", "1e9", "from 1000 to"],
      ["fields", names(2_000), "2000 names, at most 64"],
      ["fields", "x".repeat(257), "1 to 256 characters"],
    ] as const) {
      const request = link.subscribe(service.node, { [`{urn:stanzapack:0}${name}`]: value as string });
      await expect(request).rejects.toMatchObject({
        condition: "bad-request",
        application: { name: "invalid-options", xmlns: NS.PUBSUB_ERRORS },
        text: expect.stringMatching(new RegExp(`${name}.*${text}`)),
      });
    }
    await expect(bob.subscribe(service.node, { fields: ["\u0000"] })).rejects.toMatchObject({
      code: "invalid-options",
    });
    await link.stream.close();
    await service.stop();
  });

  it("bounds how many different selections a service has, beside whole values", async () => {
    const service = await alice.offer("many");
    const clients = await Promise.all(["dave", "dave", "carol"].map((user) => stack.connect(user)));
    const subscriptions = await Promise.all(
      clients.slice(0, 2).map((client, i) => client.subscribe(service.node, { deadband: i })),
    );
    // One account cannot use up all selections.
    const greedy = await stack.connect("dave");
    await expect(greedy.subscribe(service.node, { deadband: 9 })).rejects.toMatchObject({
      code: "limit-exceeded",
      message: expect.stringContaining("maxSelectionsPerAccount"),
    });
    await clients[2]?.subscribe(service.node, { deadband: 2 });
    await expect(bob.subscribe(service.node, { deadband: 3 })).rejects.toMatchObject({
      code: "limit-exceeded",
      scope: "subscription",
      message: expect.stringContaining("maxSelectionsPerService"),
    });
    // Allowed: an existing selection, in another window, and whole values.
    await (await bob.subscribe(service.node, { deadband: 2, windowMs: 500 })).stop();
    await (await bob.subscribe(service.node)).stop();
    // A change away from a selection makes room for another.
    await subscriptions[0]?.change({ deadband: 3 });
    await Promise.all([...clients, greedy].map((client) => client.close()));
    await service.stop();
  });

  it("all at once: fields, latest, a deadband and a rate, exactly counted, and kept over a restart", async () => {
    const service = await alice.offer("combined");
    const options = { fields: ["n"], samples: "latest", deadband: 9, maxRate: 4 } as const;
    const subscription = await bob.subscribe<Reading>(service.node, { ...options, windowMs: 100 });
    const told = record(subscription);
    const counter = publishCounter((n) => service.publish(reading(n)), 20);
    await until(() => told.values.length >= 4, 10_000, "values");
    expectExact(told);
    const first = told.values.length;
    await stack.restartComponent(0);
    await until(() => told.values.length >= first + 3, 20_000, "values again");
    // On a busy machine the publisher may take the server for slow for a moment, and send in a wider window.
    await until(() => subscription.windowMs === 100, 20_000, "the window that was granted");
    counter.stop();
    expect(subscription.selection).toEqual({ ...options, heartbeatMs: null, keys: null, prefix: null });
    let near = 0;
    for (const [i, { n, ...rest }] of told.values.entries()) {
      expect(rest).toEqual({});
      if (i > 0 && n - (told.values[i - 1]?.n ?? 0) <= 9) near++;
    }
    // The new component knows no earlier value.
    expect(near).toBeLessThanOrEqual(1);
    expect(told.lost).toEqual([]);
    await subscription.stop();
    await service.stop();
  });
});
