import { until } from "@stanzapack/testkit";
import { NS, xml } from "@stanzapack/xmpp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { publishCounter, SERVERS, startStack, type Stack } from "./support/stack.js";

const HELD_UP_MS = 3_000;

/** Holds up this process: the component and all clients are in it. */
function holdUp(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe.each(SERVERS)("a process that was held up, behind %s", (server) => {
  let stack: Stack;
  beforeAll(async () => {
    stack = await startStack(server, ["alice", "bob"]);
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
    // A busy machine holds it up longer still.
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
  });
});
