import { until } from "@stanzapack/testkit";
import { NS, xml } from "@stanzapack/xmpp";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { publishCounter, SERVERS, startStack, type Stack } from "./support/stack.js";

const HELD_UP_MS = 3_000;
const HOUR_MS = 3_600_000;
/** Seconds after which a client that owes an acknowledgement is asked for it, and seconds for its answer. */
const LIMITS = { unackedSeconds: 2, answerSeconds: 2 };
/** Twice as long as both together. */
const STALLED_MS = 8_000;

/** Holds up this process, which has the component and all clients. */
function holdUp(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe.each(SERVERS)("a process that was held up, behind %s", (server) => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack(server, ["alice", "bob"], { limits: LIMITS });
  });
  afterAll(() => stack.stop());

  it("takes nobody for silent whose answer it had no time to read", async () => {
    const alice = await stack.raw("alice");
    const to = alice.jid.slice(alice.jid.indexOf("@") + 1, alice.jid.indexOf("/"));
    const ping = (): Promise<unknown> =>
      alice.request(xml("iq", { type: "get", to }, xml("ping", NS.PING)), { timeoutMs: 500 });
    await ping();
    const answer = ping();
    holdUp(1_500);
    await expect(answer).resolves.toBeDefined();
    await alice.stop();
  });

  it("says so, keeps every link, and loses nothing", async () => {
    const [alice, bob] = [await stack.connect("alice"), await stack.connect("bob")];
    const told: string[] = [];
    const heldUp: number[] = [];
    for (const client of [alice, bob]) {
      client.on("offline", ({ code }) => told.push(code));
      client.on("heldUp", ({ ms }) => heldUp.push(ms));
    }
    const service = await alice.offer("readings", { kind: "log" });
    const subscription = await bob.subscribe<number>(service.node, { windowMs: 100 });
    const values: number[] = [];
    subscription.on("update", ({ value }) => values.push(value));
    subscription.on("lost", () => told.push("lost"));
    const counter = publishCounter((value) => service.publish(value), 20);
    await until(() => values.length > 10, 5_000, "values");
    const before = stack.component.stats();
    holdUp(HELD_UP_MS);
    await until(() => heldUp.length === 2, 3_000, "both clients know");
    // A busy machine makes each hold-up longer still.
    for (const ms of heldUp) {
      expect(ms).toBeGreaterThan(HELD_UP_MS / 2);
      expect(ms).toBeLessThan(HELD_UP_MS * 10);
    }
    await until(() => stack.component.stats().holdUps > before.holdUps, 3_000, "the component knows");
    const stats = stack.component.stats();
    expect(stats.heldUpMs - before.heldUpMs).toBeGreaterThan(HELD_UP_MS / 2);
    await until(() => values.length > 50, 5_000, "values again");
    counter.stop();
    await until(() => values.length === counter.count, 5_000, "all of them");
    expect(values).toEqual(Array.from({ length: counter.count }, (_, i) => i + 1));
    expect(told).toEqual([]);
    expect(stack.component.stats().links).toBe(2);
    expect(stats.linksEnded).toBe(before.linksEnded);
    await Promise.all([alice.close(), bob.close()]);
  });

  /** Records every event between a publisher and its subscriber that should not happen. */
  async function watchLog(name: string) {
    const [alice, bob] = [await stack.connect("alice"), await stack.connect("bob")];
    const told: string[] = [];
    for (const client of [alice, bob]) {
      client.on("offline", ({ code }) => told.push(code));
      // A busy machine does hold this process up, for seconds.
      client.on("heldUp", ({ ms }) => ms > 60_000 && told.push(`held up ${ms}`));
    }
    const service = await alice.offer(name, { kind: "log" });
    const subscription = await bob.subscribe<number>(service.node, { windowMs: 200 });
    for (const event of ["lost", "reset", "conflated"] as const)
      subscription.on(event, () => told.push(event));
    const updates: { readonly value: number; readonly at: number }[] = [];
    subscription.on("update", ({ value, at }) => updates.push({ value, at }));
    const counter = publishCounter((value) => service.publish(value), 50);
    await until(() => updates.length > 10, 5_000, "updates");
    return { alice, bob, told, updates, counter };
  }

  it("goes on in its windows while somebody sets the wall clock back and forth, and tells the time that is set", async () => {
    const { alice, bob, told, updates, counter } = await watchLog("clock");
    const before = stack.component.stats();
    let aheadMs = 0;
    const wallNow = Date.now.bind(Date);
    vi.spyOn(Date, "now").mockImplementation(() => wallNow() + aheadMs);
    onTestFinished(() => void vi.restoreAllMocks());
    for (const stepMs of [-HOUR_MS, HOUR_MS, 24 * HOUR_MS, -48 * HOUR_MS, 24 * HOUR_MS]) {
      aheadMs += stepMs;
      const seen = updates.length;
      // Updates that were under way have times from before the step.
      await until(() => updates.length > seen + 20, 20_000, `updates after a step of ${stepMs} ms`);
      if (aheadMs >= -24 * HOUR_MS)
        expect(Math.abs((updates.at(-1)?.at ?? 0) - Date.now())).toBeLessThan(60_000);
    }
    counter.stop();
    await until(() => updates.length === counter.count, 10_000, "all of them");
    expect(updates.map(({ value }) => value)).toEqual(Array.from({ length: counter.count }, (_, i) => i + 1));
    expect(told).toEqual([]);
    const { linksEnded, holdUps } = stack.component.stats();
    expect({ linksEnded, holdUps }).toMatchObject({
      linksEnded: before.linksEnded,
      holdUps: before.holdUps,
    });
    await Promise.all([alice.close(), bob.close()]);
  });

  it("takes nobody for silent while the server stands still", async () => {
    const { alice, bob, told, updates, counter } = await watchLog("stalled");
    const before = stack.component.stats();
    process.kill(stack.sandbox.pid, "SIGSTOP");
    onTestFinished(() => void process.kill(stack.sandbox.pid, "SIGCONT"));
    await delay(STALLED_MS);
    expect(stack.component.stats().linksEnded).toBe(before.linksEnded);
    process.kill(stack.sandbox.pid, "SIGCONT");
    counter.stop();
    await until(() => updates.length === counter.count, 20_000, "all of them");
    expect(told).toEqual([]);
    expect(stack.component.stats().linksEnded).toBe(before.linksEnded);
    await Promise.all([alice.close(), bob.close()]);
  });
});
