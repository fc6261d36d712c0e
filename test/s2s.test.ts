import { setTimeout as sleep } from "node:timers/promises";
import type { Client, OfferedService, RangeEvent, Subscription } from "@stanzapack/client";
import { until } from "@stanzapack/testkit";
import type { DataFrame } from "@stanzapack/wire";
import { NS, xml, type Connection } from "@stanzapack/xmpp";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { FAR, FARTHER, startFederation, type Federation } from "./support/federation.js";
import { HELLO, openRawLink, type RawLink } from "./support/raw-link.js";

const PAIRS = [
  { near: "prosody", far: "prosody" },
  { near: "prosody", far: "ejabberd" },
  { near: "ejabberd", far: "prosody" },
] as const;

/** Remote accounts may use a quarter of these limits. */
const LIMITS = { updatesPerSecond: 800, burstSeconds: 1, cutOffDebtSeconds: 10, cutOffSeconds: 3 };

/** Length of a fault, in ms: longer than a short disturbance, and shorter than a client waits in silence. */
const AWAY_MS = 3_000;
/** Longest time from a fault's end until everyone is back, in ms. */
const BACK_MS = 20_000;

interface Taken {
  readonly subscription: Subscription<number>;
  readonly values: number[];
  readonly told: ({ readonly event: string } & RangeEvent)[];
}

async function take(
  client: Client,
  { node }: OfferedService,
  options: { windowMs?: number; heartbeatMs?: number } = {},
): Promise<Taken> {
  const subscription = await client.subscribe<number>(node, { windowMs: 100, ...options });
  const it: Taken = { subscription, values: [], told: [] };
  subscription.on("update", ({ value }) => it.values.push(value));
  for (const event of ["lost", "conflated", "reset"] as const)
    subscription.on(event, (range) => it.told.push({ event, ...range }));
  return it;
}

/** Expects each of 1, 2, 3, … once and in order. */
function expectAll({ values, told }: Taken): void {
  expect(values).toEqual(Array.from({ length: values.length }, (_, i) => i + 1));
  expect(told).toEqual([]);
}

describe.concurrent.each(PAIRS)("s2s, $near with the component and $far with its clients", (kinds) => {
  let servers: Federation;
  /** alice and dave are on the component's server. bob publishes from the other server; erin only subscribes there. */
  let services: Record<"log" | "value" | "fast" | "far", OfferedService>;
  let dave: Record<"log" | "value" | "far", Taken>;
  let erin: Record<"log" | "value" | "fast", Taken>;
  /** Clients on the other server. */
  let remote: readonly Client[];
  let published = 0;
  let timer: NodeJS.Timeout | undefined;

  beforeAll(async () => {
    const far = ["bob", "carol", "erin", "mallory", "mia"];
    servers = await startFederation(kinds, { near: ["alice", "dave", "mallory", "nora"], far }, LIMITS);
    const alice = await servers.near.connect("alice");
    const bob = await servers.connect(`bob@${FAR}`);
    const daves = await servers.near.connect("dave");
    // A request may be lost when the network returns. erin asks again after this time.
    const erins = await servers.connect(`erin@${FAR}`, { timeoutMs: 5_000 });
    remote = [bob, erins];
    services = {
      log: await alice.offer("log", { kind: "log" }),
      value: await alice.offer("value"),
      fast: await alice.offer("fast"),
      far: await bob.offer("far", { kind: "log" }),
    };
    dave = {
      log: await take(daves, services.log),
      value: await take(daves, services.value),
      far: await take(daves, services.far),
    };
    erin = {
      log: await take(erins, services.log, { heartbeatMs: 1_000 }),
      value: await take(erins, services.value),
      fast: await take(erins, services.fast, { windowMs: 0 }),
    };
    timer = setInterval(() => {
      published++;
      for (const name of ["log", "value", "far"] as const) services[name].publish(published);
    }, 100);
  });
  afterAll(async () => {
    clearInterval(timer);
    await servers.stop();
  });

  // The faults of a failed test must not make the next test fail.
  afterEach(() => servers.heal());

  const stats = () => servers.near.component.stats();

  async function flowing(): Promise<void> {
    const from = published;
    const all = [...Object.values(dave), erin.log, erin.value];
    await until(
      () => all.every(({ values }) => (values.at(-1) ?? 0) > from + 3),
      BACK_MS,
      "values everywhere",
    );
  }

  /**
   * Since the beginning: no update of a log is missing, and dave's values are complete. erin's values increase, and
   * gaps are reported.
   */
  async function expectWhole(): Promise<void> {
    await flowing();
    for (const taken of [dave.log, dave.value, dave.far, erin.log]) expectAll(taken);
    const { values, told } = erin.value;
    expect(new Set(told.map(({ event }) => event)).has("reset")).toBe(false);
    const untold = values.slice(1).filter((value, i) => {
      const [from, to] = [(values[i] as number) + 1, value - 1];
      // Offsets and values count from the same update.
      return from <= to && !told.some((range) => range.from <= from && to <= range.to);
    });
    expect(untold).toEqual([]);
    expect([...values].sort((a, b) => a - b)).toEqual(values);
  }

  describe.sequential("", () => {
    it("carries values and logs both ways, in lean stanzas", async () => {
      await expectWhole();
      expect(remote.map(({ envelope }) => envelope)).toEqual(
        remote.map(() => ({ up: "lean", down: "lean" })),
      );
    });

    it("lost and back: links end or are suspended, and what was published meanwhile comes once", async () => {
      const carol = await servers.connect(`carol@${FAR}`);
      const quiet = await carol.offer("quiet", { kind: "log" });
      const davesQuiet = await take(await servers.near.connect("dave"), quiet);
      const before = stats();
      servers.cut();
      quiet.publish(1);
      await until(
        () => stats().linksEnded + stats().suspensions > before.linksEnded + before.suspensions,
        AWAY_MS,
        "erin's link has ended, or is suspended",
      );
      // "Not found" is final, "timeout" may pass. The server decides which of them it answers.
      expect(stats().suspensions > before.suspensions).toBe(kinds.near === "ejabberd");
      const cutAt = published;
      await until(() => published > cutAt + 30, AWAY_MS, "much is published meanwhile");
      quiet.publish(2);
      servers.heal();
      await expectWhole();
      const isLean = ({ envelope }: Client): boolean => envelope?.up === "lean" && envelope.down === "lean";
      await until(() => remote.every(isLean), BACK_MS, "lean stanzas again");
      await until(() => davesQuiet.values.length === 2, BACK_MS, "the quiet publisher's outbox");
      expectAll(davesQuiet);
      expect(stats().links).toBe(before.links);
      await carol.close();
    });

    it("silent, and back: no more than a link may have is out meanwhile", async () => {
      const before = stats();
      servers.stall();
      const startedAt = Date.now();
      let newest = 0;
      const publishUntil = async (done: () => boolean): Promise<void> => {
        while (!done()) {
          if (Date.now() - startedAt > BACK_MS) throw new Error("erin is never held back");
          services.fast.publish(++newest);
          await sleep(5);
        }
      };
      await publishUntil(() => stats().detachments > before.detachments);
      const more = newest + 200;
      await publishUntil(() => newest === more);
      // A hundred to erin; to dave, who is not affected, everything that he subscribes to; none to publishers.
      const daves = ((Date.now() - startedAt) / 100 + 1) * Object.keys(dave).length;
      expect(stats().dataStanzasSent - before.dataStanzasSent).toBeLessThanOrEqual(100 + daves);
      expect(stats().links).toBe(before.links);
      servers.heal();
      await expectWhole();
      await until(() => erin.fast.values.at(-1) === newest, BACK_MS, "the newest of many");
    });

    it("the other server restarted", async () => {
      await servers.far.restart();
      await expectWhole();
    });

    it("slows a remote account's flood sooner than a local one's, and nobody else's", async () => {
      // The updates that it had to send again after the restart may have slowed it for a while.
      await until(() => services.far.demand.windowMs === 100, BACK_MS, "the usual window");
      const before = stats();
      const [mia, nora] = [await servers.connect(`mia@${FARTHER}`), await servers.near.connect("nora")];
      const theirs = await mia.offer("flood");
      const ours = await nora.offer("flood");
      const daves = await servers.near.connect("dave");
      const taken = [await take(daves, theirs), await take(daves, ours)];
      await until(() => [theirs, ours].every(({ demand }) => demand.windowMs === 100), 5_000, "demand");
      // As many as a local account may send for ever, four times a remote account's rate: eight every 12 ms, even if
      // the timer is late.
      let count = 0;
      const began = performance.now();
      const flood = setInterval(() => {
        const due = Math.min(count + MOST_LATE, Math.floor((performance.now() - began) / 12));
        while (count < due) {
          count++;
          for (let i = 0; i < 8; i++) for (const service of [theirs, ours]) service.publish(count);
        }
      }, 12);
      try {
        await until(() => theirs.demand.windowMs === 1_000, 10_000, "a wider window");
      } finally {
        clearInterval(flood);
      }
      expect(ours.demand.windowMs).toBe(100);
      expect(services.far.demand.windowMs).toBe(100);
      await until(() => taken.every(({ values }) => values.at(-1) === count), 10_000, "the newest");
      await until(() => theirs.demand.windowMs === 100, 20_000, "the window as before");
      expect([stats().slowdowns - before.slowdowns, stats().cutOffs - before.cutOffs]).toEqual([1, 0]);
      await Promise.all([mia.close(), nora.close(), daves.close()]);
      await expectWhole();
    });

    it("cuts a remote account off after a quarter of what a local one may", async () => {
      const before = stats();
      const theirs = await sentUntilCutOff(servers, await servers.raw(`mallory@${FARTHER}`));
      const ours = await sentUntilCutOff(servers, await servers.near.raw("mallory"));
      // A burst, and the debt that is allowed; and updates under way.
      const may = LIMITS.updatesPerSecond * (LIMITS.burstSeconds + LIMITS.cutOffDebtSeconds);
      expect(theirs.sent).toBeGreaterThanOrEqual(may / 4);
      // Updates that the component accepted, with those of others. More were under way when it cut the account off.
      expect(theirs.taken).toBeLessThan(may / 2);
      expect(ours.sent).toBeGreaterThanOrEqual(may);
      expect(stats().cutOffs - before.cutOffs).toBe(2);
      // The same name at another domain of the same server is not cut off.
      const other = await openRawLink(await servers.raw(`mallory@${FAR}`), servers.near.domain);
      other.send(HELLO);
      await expectWhole();
      expect(other.end).toBeUndefined();
    });
  });
});

/** Most rounds of a flood that are made up for at once. More would be a burst beyond a local account's limit. */
const MOST_LATE = 20;
/** Updates in a block. */
const ROWS = 100;

async function sentUntilCutOff(
  { near }: Federation,
  connection: Connection,
): Promise<{ sent: number; taken: number }> {
  const before = near.component.stats().updatesIn;
  const link: RawLink = await openRawLink(connection, near.domain);
  link.send(HELLO);
  const node = `${connection.jid.replace(/\/.*/, "")}/flood`;
  await link.ask("set", xml("pubsub", NS.PUBSUB, xml("create", { node })));
  await until(() => link.frames.some(({ type }) => type === "bind"), 5_000, "BIND");
  let sent = 0;
  while (link.end === undefined && sent < 100_000) {
    const frame: DataFrame = {
      ...{
        type: "data",
        alias: 0,
        form: "rows",
        epoch: 1,
        from: sent + 1,
        to: sent + ROWS,
        at: 0,
        spanMs: 0,
      },
      payload: new Uint8Array(ROWS).fill(7),
    };
    link.send(frame);
    sent += ROWS;
    await sleep(10);
  }
  expect(link.frames.at(-1)).toMatchObject({ type: "bye", code: "busy" });
  return { sent, taken: near.component.stats().updatesIn - before };
}
