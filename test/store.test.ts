import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Client, Subscription } from "@stanzapack/client";
import { openOutboxStore } from "@stanzapack/client/store";
import { until } from "@stanzapack/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { credentialsOf } from "./support/accounts.js";
import { SERVERS, startStack, upTo, type Stack } from "./support/stack.js";

const PUBLISHER = fileURLToPath(new URL("support/store-publisher.mjs", import.meta.url));
const NODE = "alice@localhost/kept";

interface Seen {
  readonly values: number[];
  readonly told: string[];
}

function watch(subscription: Subscription<number>): Seen {
  const seen: Seen = { values: [], told: [] };
  for (const event of ["lost", "conflated", "reset"] as const)
    subscription.on(event, () => seen.told.push(event));
  subscription.on("update", ({ value }) => seen.values.push(value));
  return seen;
}

describe.each(SERVERS)("an outbox that outlives its program, behind %s", (server) => {
  let stack: Stack;
  let bob: Client;
  let location: string;
  beforeAll(async () => {
    stack = await startStack(server, ["alice", "bob"]);
    bob = await stack.connect("bob");
  });
  afterAll(() => stack.stop());
  beforeEach(async () => {
    location = await mkdtemp(join(tmpdir(), "stanzapack-outbox-"));
    return () => rm(location, { recursive: true });
  });

  interface Publisher {
    readonly child: ChildProcess;
    /** Sequence of the last update that the publisher reported as saved. */
    saved: number;
    online: boolean;
    ended: string | undefined;
    kill(): Promise<void>;
  }

  function start(options: object): Publisher {
    const all = {
      ...credentialsOf(stack.sandbox, "alice"),
      ...{ component: stack.domain, location, ...options },
    };
    const child = fork(PUBLISHER, [JSON.stringify(all)], { execArgv: [] });
    const publisher: Publisher = {
      ...{ child, saved: 0, online: false, ended: undefined },
      async kill() {
        if (child.exitCode !== null || child.signalCode !== null) return;
        const exited = once(child, "exit");
        child.kill("SIGKILL");
        await exited;
      },
    };
    child.on("message", (message) => Object.assign(publisher, message));
    onTestFinished(() => publisher.kill());
    return publisher;
  }

  /** Subscribes from the first update on. Afterwards the service is gone. */
  async function subscribe(): Promise<Seen> {
    const subscription = await bob.subscribe<number>(NODE, { since: "first", windowMs: 100 });
    onTestFinished(async () => {
      await subscription.stop();
      const alice = await stack.connect("alice");
      await (await alice.offer("kept", { kind: "log", takeOver: true })).stop();
      await alice.close();
    });
    return watch(subscription);
  }

  it("brings every update that was saved, once and in order, however often it is killed", async () => {
    let publisher = start({ everyMs: 2 });
    await until(() => publisher.online && publisher.saved > 0, 20_000, "the first program");
    const seen = await subscribe();
    for (let round = 0; round < 5; round++) {
      const from = publisher.saved;
      await until(() => publisher.saved > from + 100 * (round + 1), 5_000, "more is saved");
      await publisher.kill();
      const { saved } = publisher;
      publisher = start({ everyMs: 2 });
      await until(() => publisher.saved > saved, 20_000, "the next program goes on");
      await until(() => seen.values.length >= saved, 20_000, "what the one before had saved");
    }
    await publisher.kill();
    publisher = start({ count: 1 });
    await until(
      () => publisher.saved > 0 && seen.values.at(-1) === publisher.saved,
      20_000,
      "the last update",
    );
    expect(seen).toEqual({ values: upTo(publisher.saved), told: [] });
    expect(publisher.ended).toBeUndefined();
    console.log(`${server}: ${publisher.saved} updates, 6 programs killed, none lost, none twice`);
  });

  it("brings what a program saved that never had a connection", async () => {
    const offline = start({ count: 100, url: "xmpp://127.0.0.1:1" });
    await until(() => offline.saved === 100, 20_000, "all saved");
    expect(offline.online).toBe(false);
    await offline.kill();
    const next = start({ count: 1 });
    await until(() => next.online && next.saved === 101, 20_000, "the next program");
    const seen = await subscribe();
    await until(() => seen.values.length === 101, 20_000, "all of them");
    expect(seen).toEqual({ values: upTo(101), told: [] });
    await next.kill();
  });

  it("repeats nothing after another session had the service meanwhile", async () => {
    const first = start({ count: 50 });
    await until(() => first.online && first.saved === 50, 20_000, "the first program");
    const seen = await subscribe();
    await until(() => seen.values.length === 50, 20_000, "its updates");
    await first.kill();
    const between = await stack.connect("alice");
    const service = await between.offer("kept", { kind: "log", takeOver: true });
    for (let i = 1; i <= 20; i++) service.publish(-i);
    await until(() => seen.values.length === 70, 20_000, "the other session's updates");
    await between.close();
    const second = start({ count: 10 });
    await until(() => seen.values.at(-1) === 60, 30_000, "the first one's again");
    expect(seen).toEqual({ values: [...upTo(50), ...upTo(20).map((i) => -i), ...upTo(60, 51)], told: [] });
    await second.kill();
  });

  it("is told as one that began anew, and repeats, where the component lost its memory too", async () => {
    const first = start({ count: 50 });
    await until(() => first.online && first.saved === 50, 20_000, "the first program");
    const seen = await subscribe();
    await until(() => seen.values.length === 50, 20_000, "its updates");
    await first.kill();
    await stack.crashComponent(300);
    const second = start({ count: 10 });
    await until(() => seen.values.at(-1) === 60, 60_000, "all of them");
    expect(seen.told).toEqual(["reset"]);
    expect(seen.values).toEqual([...upTo(50), ...upTo(60, seen.values[50])]);
    await second.kill();
  });

  it("keeps what a fenced one had left, which is sent when it has the service again", async () => {
    const alice = await stack.connect("alice");
    const store = await openOutboxStore(location);
    onTestFinished(() => store.close());
    const service = await alice.offer("kept", { kind: "log", store });
    const seen = await subscribe();
    for (let i = 1; i <= 20; i++) service.publish(i);
    await service.saved();
    await until(() => seen.values.length === 20, 10_000, "its updates");
    // These updates are no longer sent.
    for (let i = 21; i <= 30; i++) service.publish(i);
    const ended = once(service as unknown as NodeJS.EventEmitter, "ended");
    const other = await stack.connect("alice");
    const taken = await other.offer("kept", { kind: "log", takeOver: true });
    const [error] = (await ended) as [{ code: string; text: string }];
    expect(error.code).toBe("fenced");
    expect(error.text).toMatch(/\d+ updates are not acknowledged, and stay in the store$/);
    taken.publish(-1);
    await until(() => seen.values.includes(-1), 10_000, "the other's update");
    await other.close();
    const again = await alice.offer("kept", { kind: "log", store, takeOver: true });
    again.publish(31);
    await until(() => seen.values.at(-1) === 31, 10_000, "all of them");
    expect(seen.values.filter((value) => value > 0)).toEqual(upTo(31));
    expect(seen.told).toEqual([]);
    await alice.close();
  });

  it.each(["offline", "online"])("that is an older copy goes on as another one, begun %s", async (how) => {
    const publish = async (from: number, to: number, stale: object[] = []): Promise<void> => {
      const store = await openOutboxStore(location);
      const alice = await stack.connect("alice", { startOffline: how === "offline" });
      // The client is online, so the answer to this also causes the event.
      const service = await alice.offer("kept", { kind: "log", store });
      service.on("stale", (range) => stale.push(range));
      for (let i = from; i <= to; i++) service.publish(i);
      await until(() => alice.online && service.established && !service.pending, 20_000, "sent");
      await alice.close();
      await store.close();
    };
    await publish(1, 10);
    const seen = await subscribe();
    await cp(location, `${location}-copy`, { recursive: true });
    await publish(11, 20);
    await rm(location, { recursive: true });
    await cp(`${location}-copy`, location, { recursive: true });
    await rm(`${location}-copy`, { recursive: true });
    const stale: object[] = [];
    await publish(21, 30, stale);
    await publish(31, 40, stale);
    await until(() => seen.values.at(-1) === 40, 10_000, "all of them");
    expect(seen).toEqual({ values: upTo(40), told: [] });
    expect(stale).toEqual([{ from: 11, to: 20 }]);
  });

  it("is of logs alone, and in use once", async () => {
    const alice = await stack.connect("alice");
    const store = await openOutboxStore(location);
    onTestFinished(() => store.close());
    await expect(alice.offer("value", { store })).rejects.toMatchObject({ code: "invalid-options" });
    const service = await alice.offer("once", { kind: "log", store });
    const other = await stack.connect("alice");
    await expect(other.offer("once", { kind: "log", store })).rejects.toMatchObject({
      ...{ code: "store-failed", retryable: true },
    });
    service.publish(1);
    await service.stop();
    expect(service.unacknowledged).toBe(0);
    const again = await other.offer("once", { kind: "log", store });
    expect([again.unacknowledged, again.published]).toEqual([0, 1]);
    await again.stop();
    await Promise.all([alice.close(), other.close()]);
  });
});
