import { monotonicNow, type Connection } from "@stanzapack/xmpp";
import { pino } from "pino";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { QueuedWriter } from "./write-queue.js";
import { FanOut } from "./fan-out.js";
import type { Lane } from "./lane.js";
import { createStats } from "../base/stats.js";
import { NOT_QUEUED } from "./write-queue.js";

it("codes large batches after the others of their tick, and those have left by then", async () => {
  const events: string[] = [];
  const connection = {
    state: "online",
    writable: true,
    on: () => () => undefined,
    send: (text: string) => events.push(`wrote ${text}`),
  } as unknown as Connection;
  const fanOut = new FanOut(connection, createStats(), pino({ level: "silent" }));
  fanOut.onCost = (bareJid) => events.push(`charged ${bareJid}`);
  const lane = (name: string, rows: number): Lane => {
    let text = "";
    const writer: QueuedWriter = { queue: NOT_QUEUED, phase: 0, unacked: 0, takeStanzas: () => [text] };
    const subscription = {
      ...{ outlet: { maySendAt: () => true, writer }, hasCredit: true },
      send: ({ base64 }: { base64: string }) => {
        text = `${name} ${base64}`;
        fanOut.writerPending(writer);
      },
    };
    const lane = {
      ...{ windowMs: 100, active: true, lastFlushAt: -Infinity, settle: () => undefined },
      opensAt: 0 as number | undefined,
      batch: { rows, bytes: 1_000, empty: false },
      attached: new Set([subscription]),
      joining: new Set(),
      service: { online: true, record: { id: { owner: `${name}@x` } } },
      encode: () => {
        lane.opensAt = undefined;
        return [{ body: { form: "chained", base64: `${rows}` }, independent: undefined, conflated: 0 }];
      },
    };
    return lane as unknown as Lane;
  };
  const now = monotonicNow();
  for (const it of [lane("flood", 1_000), lane("some", 10), lane("few", 1)]) fanOut.book(it, now, true);
  await vi.waitFor(() => expect(events).toHaveLength(5), 5_000);
  expect(events).toEqual([
    "charged some@x",
    "charged few@x",
    "wrote some 10few 1",
    "charged flood@x",
    "wrote flood 1000",
  ]);
  fanOut.stop();
});

describe("a tick", () => {
  /**
   * `count` writers with one windowed lane. One of them has a lane of window 0 too. `writes` lists what was written,
   * and when.
   */
  function setUp(count: number) {
    vi.useFakeTimers();
    vi.advanceTimersByTime(100_000 - (monotonicNow() % 100_000));
    const start = monotonicNow();
    let online: () => void = () => undefined;
    const writes: { readonly atMs: number; readonly names: readonly string[] }[] = [];
    const connection = {
      ...{ state: "online", writable: true },
      on: (event: string, listener: () => void) => {
        if (event === "online") online = listener;
        return () => undefined;
      },
      send: (text: string) => writes.push({ atMs: monotonicNow() - start, names: text.trim().split(" ") }),
    } as unknown as Connection;
    const fanOut = new FanOut(connection, createStats(), pino({ level: "silent" }));
    onTestFinished(() => {
      fanOut.stop();
      expect(vi.getTimerCount()).toBe(0);
      vi.useRealTimers();
    });
    const writers = Array.from({ length: count }, (_, i) => {
      let text = "";
      const writer = {
        ...{ unacked: 0, phase: 48 + (i % 64), queue: NOT_QUEUED },
        append: () => {
          if (text === "") fanOut.writerPending(writer);
          text += `${i} `;
        },
        takeStanzas: () => {
          const stanza = text;
          text = "";
          return stanza === "" ? [] : [stanza];
        },
      };
      return writer;
    });
    const lane = (windowMs: number, members: typeof writers): Lane => {
      const lane = {
        ...{ windowMs, active: true, lastFlushAt: -Infinity, settle: () => undefined },
        opensAt: 0 as number | undefined,
        batch: { rows: 1, bytes: 10, empty: false },
        attached: new Set(
          members.map((writer) => ({
            ...{ outlet: { maySendAt: () => true, writer }, hasCredit: true },
            send: () => writer.append(),
          })),
        ),
        ...{ joining: new Set(), service: {} },
        encode: () => {
          lane.opensAt = undefined;
          return [{ body: { form: "chained", base64: "" }, independent: undefined, conflated: 0 }];
        },
      };
      return lane as unknown as Lane;
    };
    return { fanOut, writers, lane, writes, connection, online: () => online(), now: start };
  }

  it("with data for many links spreads them over its length, one write each", async () => {
    const { fanOut, writers, lane, writes, now } = setUp(640);
    fanOut.book(lane(100, writers), now, true);
    await vi.advanceTimersByTimeAsync(50);
    expect(writes.map(({ atMs }) => atMs)).toEqual([0, 5, 10, 15, 20]);
    const sizes = writes.map(({ names }) => names.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(130);
    expect(new Set(writes.flatMap(({ names }) => names)).size).toBe(640);
    expect(sizes.reduce((sum, size) => sum + size)).toBe(640);
  });

  it("with data for a few is one write", async () => {
    const { fanOut, writers, lane, writes, now } = setUp(500);
    fanOut.book(lane(100, writers), now, true);
    await vi.advanceTimersByTimeAsync(50);
    expect(writes.map(({ atMs, names }) => [atMs, names.length])).toEqual([[0, 500]]);
  });

  it("is written to the end when the stream was away meanwhile", async () => {
    const { fanOut, writers, lane, writes, connection, online, now } = setUp(640);
    fanOut.book(lane(100, writers), now, true);
    await vi.advanceTimersByTimeAsync(7);
    Object.assign(connection, { state: "offline" });
    await vi.advanceTimersByTimeAsync(1_000);
    expect(writes).toHaveLength(2);
    Object.assign(connection, { state: "online" });
    online();
    await vi.advanceTimersByTimeAsync(1);
    expect(new Set(writes.flatMap(({ names }) => names)).size).toBe(640);
  });

  it("holds up no window 0, and what is left of it leaves before the next", async () => {
    const { fanOut, writers, lane, writes, now } = setUp(640);
    fanOut.book(lane(100, writers), now, true);
    await vi.advanceTimersByTimeAsync(7);
    const late = writers.findIndex(({ phase }) => phase % 5 === 4);
    const gone = writers.findIndex(({ phase }) => phase % 5 === 3);
    fanOut.forgetWriter(writers[gone] as (typeof writers)[number]);
    fanOut.book(lane(0, [writers[late] as (typeof writers)[number]]), monotonicNow(), false);
    await vi.advanceTimersByTimeAsync(1);
    expect(writes.at(-1)).toEqual({ atMs: 7, names: [`${late}`, `${late}`] });
    await vi.advanceTimersByTimeAsync(5);
    // The process was held up for a while, and two phases of the last tick are left.
    const clock = performance.now.bind(performance);
    vi.spyOn(performance, "now").mockImplementation(() => clock() + 87);
    onTestFinished(() => void vi.restoreAllMocks());
    fanOut.book(lane(100, writers), monotonicNow(), true);
    await vi.advanceTimersByTimeAsync(100);
    const names = writes.flatMap((write) => write.names);
    expect(names).not.toContain(`${gone}`);
    expect(names).toHaveLength(639 + 1 + 639);
  });
});
