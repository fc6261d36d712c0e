import type { Client, OfferedService, RangeEvent, Subscription } from "@stanzapack/client";
import { dropsChildless, injectFault, LEAN_FAULTS, startTcpProxy, until } from "@stanzapack/testkit";
import type { Connection } from "@stanzapack/xmpp";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { publishCounter, SERVERS, startStack, type Stack } from "./support/stack.js";
import { TRANSPORTS, urlOf } from "./support/transport-proxies.js";

/**
 * Number of changes between inactive and active, and of rounds of faults. 1,000 changes are about 10,000 stanzas.
 * `npm run test:lean` makes more faults.
 */
const TOGGLES = Number(process.env["STANZAPACK_LEAN_COUNT"] ?? 200);
const ROUNDS = Number(process.env["STANZAPACK_LEAN_ROUNDS"] ?? 1);
/** Longest time from a link's beginning until lean stanzas flow, in ms. */
const SOON_MS = 5_000;
/** Longest time until a link that ended is open again, and lean, in ms. */
const BACK_MS = 30_000;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Told {
  readonly values: number[];
  readonly offsets: number[];
  readonly ranges: (RangeEvent & { readonly event: string })[];
}

function record(subscription: Subscription<number>): Told {
  const told: Told = { values: [], offsets: [], ranges: [] };
  subscription.on("update", ({ value, offset }) => {
    told.values.push(value);
    told.offsets.push(offset);
  });
  for (const event of ["lost", "conflated", "reset"] as const)
    subscription.on(event, (range) => told.ranges.push({ ...range, event }));
  return told;
}

/** Expects that every value arrived once and in order, or is in a reported range: nothing was decoded out of turn. */
function expectWhole({ values, offsets, ranges }: Told): void {
  const shift = (values[0] as number) - (offsets[0] as number);
  expect(values).toEqual(offsets.map((offset) => offset + shift));
  const known = new Set(offsets);
  expect(known.size).toBe(offsets.length);
  for (const { from, to } of ranges) for (let offset = from; offset <= to; offset++) known.add(offset);
  const [first, last] = [offsets[0] as number, offsets.at(-1) as number];
  for (let offset = first; offset <= last; offset++)
    if (!known.has(offset)) expect.fail(`offset ${offset} is untold`);
}

const bytesOf = ({ meter }: Client): number => meter.received.xmpp + meter.sent.xmpp;
const isLeanUp = (client: Client): boolean => client.envelope?.up === "lean";
const isLeanDown = (client: Client): boolean => client.envelope?.down === "lean";

describe.each(SERVERS)("lean stanzas through %s", (server) => {
  let stack: Stack;
  beforeAll(async () => void (stack = await startStack(server, ["alice", "bob", "carol"])));
  afterAll(() => stack.stop());

  it.each(TRANSPORTS)(
    "carry small values over %s, both ways, for fewer bytes than bytestreams",
    async (transport) => {
      const url = urlOf(stack, transport);
      const alice = await stack.connect("alice", { url });
      const bob = await stack.connect("bob", { url });
      const carol = await stack.connect("carol", { url, envelope: "ibb" });
      const service = await alice.offer("small");
      const subscriptions = await Promise.all(
        [bob, carol].map((client) => client.subscribe<number>(service.node, { windowMs: 0 })),
      );
      const [told, toldToo] = subscriptions.map(record) as [Told, Told];
      const counter = publishCounter((value) => service.publish(value), 50);
      await until(() => isLeanUp(alice) && isLeanDown(bob), SOON_MS, "lean stanzas");
      expect([bob.envelope?.up, carol.envelope]).toEqual(["lean", { up: "ibb", down: "ibb" }]);
      await sleep(1_000);
      const before = [bytesOf(bob), bytesOf(carol)] as const;
      const from = told.values.length;
      await until(() => told.values.length >= from + 60, 10_000, "sixty more");
      const [lean, ibb] = [bytesOf(bob) - before[0], bytesOf(carol) - before[1]];
      // An IBB block has 68 characters more. BOSH adds more than that to either form.
      expect(lean).toBeLessThan((transport === "bosh" ? 0.95 : 0.8) * ibb);
      counter.stop();
      for (const one of [told, toldToo]) {
        await until(() => one.values.at(-1) === counter.count, 5_000, "the newest value");
        expectWhole(one);
        expect(one.ranges).toEqual([]);
      }
      await Promise.all([alice.close(), bob.close(), carol.close()]);
    },
  );

  it("go on over a resumed stream, with nothing lost", async () => {
    const { host, ports } = stack.sandbox;
    const proxy = await startTcpProxy({ host, port: ports.c2s });
    onTestFinished(() => proxy.close());
    const url = `xmpp://127.0.0.1:${proxy.port}`;
    const alice = await stack.connect("alice", { url });
    const bob = await stack.connect("bob", { url });
    const service = await alice.offer("resumed");
    const told = record(await bob.subscribe<number>(service.node, { windowMs: 0 }));
    const counter = publishCounter((value) => service.publish(value), 20);
    await until(() => isLeanUp(alice) && isLeanDown(bob), SOON_MS, "lean stanzas");
    let ends = 0;
    for (const client of [alice, bob]) client.on("offline", () => ends++);
    for (let i = 0; i < 3; i++) {
      proxy.cut();
      const { count } = counter;
      await until(() => (told.values.at(-1) ?? 0) > count + 50, BACK_MS, "values after the break");
    }
    expect([ends, bob.envelope]).toEqual([0, { up: "lean", down: "lean" }]);
    counter.stop();
    await until(() => told.values.at(-1) === counter.count, 5_000, "the newest value");
    expectWhole(told);
    expect(told.ranges.filter(({ event }) => event !== "conflated")).toEqual([]);
    await Promise.all([alice.close(), bob.close()]);
  });

  it("give way to bytestreams before the server hears of an inactive client, and come back", async () => {
    const alice = await stack.connect("alice");
    const bob = await stack.connect("bob", { inactive: { windowMs: 0 } });
    const service = await alice.offer("toggled");
    const told = record(await bob.subscribe<number>(service.node, { windowMs: 0 }));
    const counter = publishCounter((value) => service.publish(value), 5);
    await until(() => isLeanDown(bob), SOON_MS, "lean stanzas");
    const { connection } = bob as unknown as { readonly connection: Connection };
    const said: string[] = [];
    const send = connection.send.bind(connection);
    connection.send = (text, ...rest) => {
      if (text.startsWith("<active") || text.startsWith("<inactive"))
        said.push(text.slice(1, text.indexOf(" ")));
      return send(text, ...rest);
    };
    let ends = 0;
    bob.on("offline", () => ends++);
    let leanWhileInactive = 0;
    let inactive = false;
    bob.onBlock = () => (leanWhileInactive += inactive && isLeanDown(bob) ? 1 : 0);
    const toggles = server === "ejabberd" ? TOGGLES : 20;
    for (let i = 0; i < toggles; i++) {
      await bob.setActive(false);
      inactive = true;
      await sleep(Math.random() * 30);
      inactive = false;
      await bob.setActive(true);
      await sleep(Math.random() * 30);
    }
    expect(said).toEqual(
      Array.from({ length: 2 * toggles }, (_, i) => (i % 2 === 0 ? "inactive" : "active")),
    );
    expect([leanWhileInactive, ends]).toEqual([0, 0]);
    await until(() => isLeanDown(bob), SOON_MS, "lean stanzas again");
    counter.stop();
    await until(() => told.values.at(-1) === counter.count, 5_000, "the newest value");
    expectWhole(told);
    expect(told.ranges.filter(({ event }) => event !== "conflated")).toEqual([]);
    await Promise.all([alice.close(), bob.close()]);
  });

  it("of a client that gets a new link while it is inactive do not come", async () => {
    const alice = await stack.connect("alice");
    const bob = await stack.connect("bob", { inactive: { windowMs: 0 } });
    const service = await alice.offer("inactive-link");
    const told = record(await bob.subscribe<number>(service.node, { windowMs: 0 }));
    const counter = publishCounter((value) => service.publish(value), 20);
    await until(() => isLeanDown(bob), SOON_MS, "lean stanzas");
    await bob.setActive(false);
    const back = new Promise<void>((resolve) => bob.on("online", () => resolve()));
    await stack.restartComponent(0);
    await back;
    let lean = 0;
    bob.onBlock = () => (lean += isLeanDown(bob) ? 1 : 0);
    const from = told.values.length;
    // Prosody holds headlines of inactive clients.
    if (server === "ejabberd") await until(() => told.values.length > from + 50, BACK_MS, "values");
    else await sleep(2_000);
    expect(lean).toBe(0);
    await bob.setActive(true);
    await until(() => isLeanDown(bob), BACK_MS, "lean stanzas again");
    counter.stop();
    await until(() => told.values.at(-1) === counter.count, 5_000, "the newest value");
    await Promise.all([alice.close(), bob.close()]);
  });
});

describe.each(SERVERS)("lean stanzas that do not arrive as they were sent, through %s", (server) => {
  let stack: Stack;
  let alice: Client;
  let bob: Client;
  let service: OfferedService;
  beforeAll(async () => void (stack = await startStack(server, ["alice", "bob"], { stanzaProxy: true })));
  afterAll(() => stack.stop());
  const open = async (name: string): Promise<void> => {
    alice = await stack.connect("alice");
    bob = await stack.connect("bob");
    service = await alice.offer(name);
  };
  const proxy = (): NonNullable<Stack["stanzaProxy"]> =>
    stack.stanzaProxy as NonNullable<Stack["stanzaProxy"]>;

  it("are found before they are decoded, and the link is mended", async () => {
    await open("faulty");
    const told = record(await bob.subscribe<number>(service.node, { windowMs: 0 }));
    const counter = publishCounter((value) => service.publish(value), 20);
    const bothLean = (): boolean => isLeanUp(alice) && isLeanDown(bob) && isLeanUp(bob);
    await until(bothLean, SOON_MS, "lean stanzas");
    const reasons: string[] = [];
    for (const client of [alice, bob]) client.on("offline", ({ code }) => reasons.push(code));
    for (let round = 0; round < ROUNDS; round++)
      for (const fault of LEAN_FAULTS)
        for (const [direction, client] of [
          ["toClient", alice],
          ["toServer", bob],
        ] as const) {
          const ended = reasons.length;
          await injectFault(proxy(), fault, direction, client.jid);
          await until(() => reasons.length > ended, 5_000, `the end of the link: ${fault} ${direction}`);
          await until(bothLean, BACK_MS, `lean stanzas again: ${fault} ${direction}`);
          const { count } = counter;
          await until(() => (told.values.at(-1) ?? 0) > count, BACK_MS, "values again");
        }
    expect(reasons).toEqual(reasons.map(() => "gap"));
    expect(reasons).toHaveLength(2 * LEAN_FAULTS.length * ROUNDS);
    counter.stop();
    await until(() => told.values.at(-1) === counter.count, 5_000, "the newest value");
    expectWhole(told);
    expect(told.ranges.filter(({ event }) => event === "reset")).toEqual([]);
    await Promise.all([alice.close(), bob.close()]);
  });

  it("at all leave a link on bytestreams, which a program hears once", async () => {
    proxy().filter = dropsChildless;
    onTestFinished(() => void (proxy().filter = undefined));
    await open("dropped");
    const told = record(await bob.subscribe<number>(service.node, { windowMs: 0 }));
    const heard: string[] = [];
    bob.on("envelope", (kind) => heard.push(kind));
    const counter = publishCounter((value) => service.publish(value), 100);
    await until(() => heard.length > 0, 20_000, "the probe is given up");
    await sleep(1_000);
    expect([heard, bob.envelope]).toEqual([["ibb"], { up: "ibb", down: "ibb" }]);
    counter.stop();
    await until(() => told.values.at(-1) === counter.count, 5_000, "the newest value");
    expectWhole(told);
    expect(told.ranges).toEqual([]);
    await Promise.all([alice.close(), bob.close()]);
  });
});

describe("lean stanzas of a component that has them switched off", () => {
  it("are not used by anybody", async () => {
    const stack = await startStack("prosody", ["alice"], { envelope: "ibb" });
    const alice = await stack.connect("alice");
    const heard: string[] = [];
    alice.on("envelope", (kind) => heard.push(kind));
    const service = await alice.offer("own");
    const told = record(await alice.subscribe<number>(service.node, { windowMs: 0 }));
    const counter = publishCounter((value) => service.publish(value), 50);
    await until(() => told.values.length > 20, SOON_MS, "values");
    counter.stop();
    expect([heard, alice.envelope]).toEqual([[], { up: "ibb", down: "ibb" }]);
    await stack.stop();
  });
});
