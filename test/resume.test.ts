import type { Client, RangeEvent } from "@stanzapack/client";
import { until } from "@stanzapack/testkit";
import type { DataFrame, Frame, HelloFrame, ResumeFrame } from "@stanzapack/wire";
import type { Connection } from "@stanzapack/xmpp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HELLO, openRawLink, type RawLink } from "./support/raw-link.js";
import { SERVERS, startStack, type Stack } from "./support/stack.js";

const VALUES = 450;
const LOGS = 50;
const PATIENCE_MS = 10_000;
/** Longest time from a fault's end until everyone is back, in ms. */
const BACK_MS = 30_000;

describe.each(SERVERS)("links resumed by token, through %s", (server) => {
  let stack: Stack;
  let alice: Client;

  beforeAll(async () => {
    stack = await startStack(server, ["alice", "bob", "carol"]);
    alice = await stack.connect("alice");
  });
  afterAll(() => stack.stop());

  it("bring back 500 subscriptions in one frame, each from where it was", async () => {
    const bob = await stack.connect("bob");
    const [values, logs] = await Promise.all([
      Promise.all(Array.from({ length: VALUES }, (_, i) => alice.offer(`v${i}`))),
      Promise.all(Array.from({ length: LOGS }, (_, i) => alice.offer(`l${i}`, { kind: "log" }))),
    ]);
    const services = [...values, ...logs];
    const group = await bob.subscribeAll<number>(
      services.map(({ node }) => node),
      { windowMs: 100, heartbeatMs: 60_000 },
    );
    const seen = new Map<string, number[]>(services.map(({ node }) => [node, []]));
    const told: [string, string, RangeEvent][] = [];
    group.on("update", ({ node, value }) => seen.get(node)?.push(value));
    for (const event of ["lost", "conflated", "reset"] as const)
      group.on(event, (range) => told.push([event, range.node, range]));
    const newest = (value: number) => () => services.every(({ node }) => seen.get(node)?.at(-1) === value);
    await until(() => values.every(({ demand }) => demand.windowMs === 100), PATIENCE_MS, "demand");
    for (const service of services) service.publish(1);
    await until(newest(1), PATIENCE_MS, "the first value of each");
    const aliases = stack.component.stats().framesReceived;
    const before = bob.meter.sent.xmpp;

    // The server forgets its sessions, so no stream can be resumed. The component keeps running.
    await stack.sandbox.restart();
    for (const value of [2, 3, 4]) for (const service of services) service.publish(value);
    await until(newest(4), BACK_MS, "the newest value of each");
    await until(() => bob.online && alice.online, BACK_MS, "everyone is online");

    const stats = stack.component.stats();
    expect(stats.resumed).toBe(VALUES + LOGS);
    expect(stats.framesReceived).toMatchObject({
      resume: 1,
      subscribe: aliases.subscribe,
      change: aliases.change,
    });
    // With the login. With an iq for each subscription it was a quarter of a megabyte.
    const sent = bob.meter.sent.xmpp - before;
    console.log(`${server}: resuming ${VALUES + LOGS} subscriptions takes ${sent} bytes up, with the login`);
    expect(sent).toBeLessThan(25_000);
    for (const { node } of logs) expect(seen.get(node), node).toEqual([1, 2, 3, 4]);
    // The newest value replaced the values that were published meanwhile: they were left out, not lost.
    expect(told.filter(([event, node]) => event !== "conflated" || node.includes("/l"))).toEqual([]);
    for (const { node } of values) {
      const missing = told.filter(([, of]) => of === node).map(([, , { from, to }]) => to - from + 1);
      expect((seen.get(node)?.length ?? 0) + missing.reduce((sum, count) => sum + count, 0), node).toBe(4);
    }
    expect(group.subscriptions.get(logs[0]?.node ?? "")?.recovered).toBe(true);
    const wanted = JSON.stringify({ windowMs: 100, heartbeatMs: 50_000, status: "online" });
    /** Each kind of subscription, once. */
    const kinds = (): string[] => [
      ...new Set(
        [...group.subscriptions.values()].map(({ windowMs, selection, status }) =>
          JSON.stringify({ windowMs, heartbeatMs: selection.heartbeatMs, status }),
        ),
      ),
    ];
    // A publisher of 500 values at once may be slowed for a while.
    const untilAsBefore = async (): Promise<void> => {
      await until(() => kinds().join() === wanted, BACK_MS, "all as before").catch(() => undefined);
      expect(kinds()).toEqual([wanted]);
    };
    await untilAsBefore();

    // A component that has lost its memory knows no token, so the client makes every request again.
    await stack.restartComponent(100);
    await until(() => stack.component.stats().subscriptions === VALUES + LOGS, BACK_MS, "everything again");
    await until(() => values.every(({ demand }) => demand.windowMs === 100), PATIENCE_MS, "demand again");
    for (const service of services) service.publish(5);
    await until(newest(5), BACK_MS, "values again");
    expect(stack.component.stats()).toMatchObject({ resumed: 0, framesReceived: { resume: 1 } });
    await untilAsBefore();
    await bob.close();
    await alice.close();
    alice = await stack.connect("alice");
  });

  const tokenOf = ({ frames }: RawLink): Uint8Array =>
    (frames.find(({ type }) => type === "hello") as HelloFrame).token as Uint8Array;
  const open = async (connection: Connection): Promise<RawLink> => {
    const link = await openRawLink(connection, stack.domain);
    link.send(HELLO);
    await until(() => link.frames.length > 0, PATIENCE_MS, "the component's HELLO");
    return link;
  };
  const resume = async (
    link: RawLink,
    token: Uint8Array,
    positions: ResumeFrame["positions"],
    more = false,
  ): Promise<Frame[]> => {
    const request = link.frames.length;
    const from = link.frames.length;
    link.send({ type: "resume", request, token, more, positions });
    const done = (): boolean =>
      link.frames.some((frame) => frame.type === "done" && frame.request === request);
    await until(done, PATIENCE_MS, "DONE");
    return link.frames.slice(from);
  };
  const NOT_RESUMABLE = [{ type: "refused", targets: [], code: "not-resumable" }, { type: "done" }];

  it("recheck access, tell what is not there, go on where each was; no token works twice, or for another", async () => {
    const value = await alice.offer("value");
    const log = await alice.offer("log", { kind: "log" });
    const gone = await alice.offer("gone");
    const closed = await alice.offer("closed");
    const carol = await stack.raw("carol");
    const first = await open(carol);
    for (const { node } of [value, log, gone, closed]) await first.subscribe(node);
    await until(() => value.demand.subscribers === 1, PATIENCE_MS, "demand");
    for (const service of [value, log]) service.publish(1);
    const dataOf = (link: RawLink, alias: number): DataFrame[] =>
      link.frames.filter((frame): frame is DataFrame => frame.type === "data" && frame.alias === alias);
    await until(() => dataOf(first, 0).length + dataOf(first, 1).length === 2, PATIENCE_MS, "both values");
    const epochs = [0, 1].map((alias) => dataOf(first, alias)[0]?.epoch as number) as [number, number];

    // Another subscriber makes the publisher continue.
    const bob = await stack.connect("bob");
    const other = await bob.subscribe<number>(value.node);
    let newest = 0;
    other.on("update", (update) => (newest = update.value));
    void first.stream.close();
    await until(() => stack.component.stats().subscriptions === 1, PATIENCE_MS, "the link's end");
    for (let i = 2; i <= 5; i++) for (const service of [value, log]) service.publish(i);
    await until(
      () => newest === 5 && log.unacknowledged >= 0 && !log.pending,
      PATIENCE_MS,
      "what comes meanwhile",
    );
    await gone.stop();
    await closed.configure({ access: "whitelist", members: [] });

    const mallory = await open(await stack.raw("bob"));
    const token = tokenOf(first);
    const at = (alias: number, epoch = 0, offset = 0) => ({ alias, epoch, offset });
    expect(await resume(mallory, token, [at(0)])).toMatchObject(NOT_RESUMABLE);
    expect(await resume(mallory, new Uint8Array(3), [at(0)])).toMatchObject(NOT_RESUMABLE);
    expect(await resume(mallory, tokenOf(mallory), [at(0)])).toMatchObject(NOT_RESUMABLE);

    const second = await open(carol);
    const answers = await resume(second, token, [at(0, epochs[0], 1), at(77)], true);
    answers.push(...(await resume(second, token, [at(1, epochs[1], 1), at(2), at(3), at(1)])));
    expect(answers.filter(({ type }) => type === "bind")).toMatchObject([
      { alias: 0, node: value.node, kind: "value" },
      { alias: 1, node: log.node, kind: "log" },
    ]);
    expect(answers.filter(({ type }) => type === "grant")).toMatchObject([
      { aliases: [0], positions: null },
      { aliases: [1], positions: [{ epoch: epochs[1], offset: 1, recovered: true }] },
    ]);
    expect(answers.filter(({ type }) => type === "refused")).toMatchObject([
      { targets: [1], code: "not-subscribed" },
      { targets: [1], code: "no-such-service" },
      { targets: [2], code: "not-allowed" },
      { targets: [3], code: "not-subscribed" },
    ]);
    // The newest value replaces the values in between. All updates of the log arrive.
    const positions = (alias: number): number[] =>
      dataOf(second, alias).flatMap(({ from, to }) =>
        Array.from({ length: to - from + 1 }, (_, i) => from + i),
      );
    await until(() => positions(1).length === 4, PATIENCE_MS, "the log");
    expect(positions(1)).toEqual([2, 3, 4, 5]);
    expect(dataOf(second, 0)).toMatchObject([{ epoch: epochs[0], from: 2, to: 5 }]);
    expect(await resume(second, token, [at(0)])).toMatchObject(NOT_RESUMABLE);

    // A resume from another session ends the old link, which nobody has noticed to be dead. No updates since then means
    // no data.
    const elsewhere = await open(await stack.raw("carol"));
    const again = await resume(elsewhere, tokenOf(second), [at(0, epochs[0], 5)]);
    expect(again.map(({ type }) => type)).toEqual(["bind", "grant", "done"]);
    await until(
      () => second.end !== undefined || stack.component.stats().subscriptions === 2,
      PATIENCE_MS,
      "the end",
    );
    value.publish(6);
    await until(() => dataOf(elsewhere, 0).length > 0, PATIENCE_MS, "a value");
    expect(dataOf(elsewhere, 0)).toMatchObject([{ from: 6, to: 6 }]);
    await bob.close();
    await Promise.all([value, log, closed].map((service) => service.stop()));
  });
});
