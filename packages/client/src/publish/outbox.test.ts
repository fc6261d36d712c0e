import { monotonicNow, wallAheadMs } from "@stanzapack/xmpp";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { Outbox } from "./outbox.js";

function setUp(count: number, bounds = { maxRows: 100, maxBytes: 1_000 }): Outbox {
  const outbox = new Outbox(bounds);
  for (let i = 1; i <= count; i++) outbox.push(Uint8Array.of(i), i * 10);
  return outbox;
}

const bytesOf = (outbox: Outbox): number[][] =>
  outbox.take(4, 1_000).map(({ rows }) => rows.map(([byte]) => byte as number));

/** A test that ran before in this process may have set the clock. */
const toWall = (at: number): number => Math.round(at + wallAheadMs());

describe("an outbox", () => {
  it("gives what was not sent, once, in order", () => {
    const outbox = setUp(6);
    expect(outbox.take(4, 1_000)).toMatchObject([
      { from: 1, to: 4, firstAt: 10, lastAt: 40 },
      { from: 5, to: 6 },
    ]);
    expect([outbox.pending, outbox.size, outbox.take(4, 1_000)]).toEqual([false, 6, []]);
    outbox.push(Uint8Array.of(7), 70);
    expect(outbox.pending).toBe(true);
    expect(outbox.take(4, 1_000)).toMatchObject([{ from: 7, to: 7 }]);
  });

  it("keeps it until it is acknowledged", () => {
    const outbox = setUp(3);
    bytesOf(outbox);
    outbox.mark(1);
    outbox.push(Uint8Array.of(4), 40);
    bytesOf(outbox);
    outbox.mark(2);
    outbox.acknowledged(0);
    expect(outbox.size).toBe(4);
    outbox.acknowledged(1);
    expect(outbox.size).toBe(1);
    outbox.acknowledged(5);
    expect([outbox.size, outbox.pending]).toEqual([0, false]);
  });

  it("sends again on a new link what the component does not have", () => {
    const outbox = setUp(6);
    bytesOf(outbox);
    outbox.mark(1);
    outbox.resume(2);
    // Marks of the old link mean nothing on the new one.
    outbox.acknowledged(9);
    expect(bytesOf(outbox)).toEqual([[3, 4, 5, 6]]);
    outbox.resume(0);
    expect(outbox.take(9, 1_000)).toMatchObject([{ from: 3, to: 6 }]);
    outbox.resume(6);
    expect([outbox.size, outbox.pending]).toEqual([0, false]);
    outbox.push(Uint8Array.of(7), 70);
    expect(outbox.take(9, 1_000)).toMatchObject([{ from: 7, to: 7 }]);
  });

  it("takes no more than it may hold, and drops nothing", () => {
    expect(() => setUp(4, { maxRows: 3, maxBytes: 1_000 })).toThrow(
      expect.objectContaining({ code: "busy" }),
    );
    expect(() => setUp(4, { maxRows: 9, maxBytes: 3 })).toThrow(
      expect.objectContaining({ code: "busy", retryable: true }),
    );
    const outbox = setUp(3, { maxRows: 3, maxBytes: 1_000 });
    bytesOf(outbox);
    outbox.mark(1);
    outbox.acknowledged(1);
    outbox.push(Uint8Array.of(4), 40);
    expect(bytesOf(outbox)).toEqual([[4]]);
  });

  it("forgets what the component keeps, but nothing that was not sent", () => {
    const outbox = setUp(4);
    outbox.take(2, 1_000, 2);
    outbox.kept(1);
    expect([outbox.before, outbox.size]).toEqual([1, 3]);
    outbox.kept(1);
    outbox.kept(100);
    expect([outbox.before, outbox.unsent]).toEqual([2, 2]);
  });

  it("sends nothing that is not saved, and goes on from what a store has", () => {
    const entries = [5, 6].map((byte) => ({ row: Uint8Array.of(byte), at: byte * 10 }));
    const outbox = new Outbox({ maxRows: 4, maxBytes: 1_000 }, { before: 4, entries });
    expect([outbox.last, outbox.size, outbox.unsaved, outbox.known]).toEqual([6, 2, 0, 6]);
    outbox.push(Uint8Array.of(7), 70);
    outbox.push(Uint8Array.of(8), 80);
    expect(() => outbox.push(Uint8Array.of(9), 90)).toThrow(expect.objectContaining({ code: "busy" }));
    expect(bytesOf(outbox)).toEqual([[5, 6]]);
    expect([outbox.pending, outbox.unsent, outbox.unsaved]).toEqual([false, 2, 2]);
    expect(outbox.toSave({ maxRows: 9, maxBytes: 1 }).map(({ at }) => at)).toEqual([toWall(70)]);
    expect(outbox.toSave({ maxRows: 9, maxBytes: 9 }).map(({ at }) => at)).toEqual([70, 80].map(toWall));
    outbox.saved(1);
    outbox.held = true;
    expect(bytesOf(outbox)).toEqual([]);
    outbox.held = false;
    expect(outbox.take(9, 1_000)).toMatchObject([{ from: 7, to: 7 }]);
    // The outbox keeps an update that is not saved, whatever the component acknowledges.
    outbox.resume(100);
    expect([outbox.before, outbox.last, outbox.unsaved]).toEqual([7, 8, 1]);
  });

  it("tells a store the time of day, whoever has set it, and takes its own from there", () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    vi.setSystemTime(Date.now() - 3_600_000);
    const outbox = new Outbox({ maxRows: 100, maxBytes: 1_000 }, { before: 0, entries: [] });
    const at = Math.round(monotonicNow());
    outbox.push(Uint8Array.of(1), at);
    const entries = outbox.toSave({ maxRows: 9, maxBytes: 1_000 });
    expect(entries).toMatchObject([{ at: Date.now() }]);
    vi.setSystemTime(Date.now() + 86_400_000);
    const [slice] = new Outbox({ maxRows: 100, maxBytes: 1_000 }, { before: 0, entries }).take(9, 1_000);
    expect(slice?.firstAt).toBe(at - 86_400_000);
  });
});
