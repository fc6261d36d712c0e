import { EventEmitter } from "node:events";
import { PassThrough } from "node:stream";
import type { Value } from "@stanzapack/wire";
import { describe, expect, it } from "vitest";
import { MapPrinter } from "./map-printer.js";

/** A map that a test changes, and a reader that reads when the test says so. */
function setUp(status = "online", highWaterMark = 16_384) {
  const stream = new PassThrough({ highWaterMark, readableHighWaterMark: 1 });
  const map = new Map<string, Value>();
  const source = Object.assign(new EventEmitter(), { map, status });
  const change = (key: string, value?: Value): void => {
    if (value === undefined) map.delete(key);
    else map.set(key, value);
    source.emit("change", { key, value });
  };
  const printer = new MapPrinter(stream, source);
  const read = (): unknown[] =>
    String(stream.read() ?? "")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as unknown);
  return { stream, source, change, printer, read };
}

describe("the printer of a map", () => {
  it("prints changes as they come, with bytes as base64", () => {
    const { source, change, read } = setUp("offline");
    change("a", { x: 1 });
    change("b", Uint8Array.of(1, 2));
    source.emit("synced");
    change("a");
    source.emit("status", { status: "online" });
    expect(read()).toEqual([
      { event: "status", reason: "offline" },
      { key: "a", value: { x: 1 } },
      { key: "b", value: "AQI=" },
      { event: "synced" },
      { key: "a", removed: true },
      { event: "status", reason: "online" },
    ]);
  });

  it("prints the newest value of each key to a slow reader", async () => {
    const { source, change, read, printer } = setUp("online", 10);
    change("a", 1);
    for (let i = 2; i < 1_000; i++) change("a", i);
    change("b", "x");
    change("c", 1);
    change("c");
    source.emit("synced");
    const seen: unknown[] = [];
    await expect
      .poll(() => {
        for (const row of read()) seen.push(row);
        return seen.length;
      })
      .toBe(5);
    expect(seen).toEqual([
      { key: "a", value: 1 },
      { key: "a", value: 999 },
      { key: "b", value: "x" },
      { key: "c", removed: true },
      { event: "synced" },
    ]);
    await printer.end();
  });

  it("prints what was repaired, and that what was printed does not count", () => {
    const { source, change, read } = setUp();
    change("old", 1);
    source.emit("reset", { from: 0, to: 9, reason: "whole" });
    change("a", 1);
    source.emit("repaired", { keys: 1 });
    expect(read()).toEqual([
      { key: "old", value: 1 },
      { event: "reset", reason: "whole" },
      { key: "a", value: 1 },
      { event: "repaired", keys: 1 },
    ]);
  });

  it("forgets what waits for a slow reader at a reset, and adds up what was repaired", async () => {
    const { source, change, read, printer } = setUp("online", 10);
    change("a", "x".repeat(50));
    change("b", 1);
    for (const keys of [1, 2]) source.emit("repaired", { keys });
    source.emit("reset", { from: 0, to: 9, reason: "whole" });
    change("c", 1);
    const seen: unknown[] = [];
    await expect
      .poll(() => {
        for (const row of read()) seen.push(row);
        return seen.slice(1);
      })
      .toEqual([
        { event: "reset", reason: "whole" },
        { key: "c", value: 1 },
        { event: "repaired", keys: 3 },
      ]);
    await printer.end();
  });

  it("takes changes once the reader has their lines, and all changes of an update", async () => {
    const stream = new PassThrough();
    const map = new Map<string, Value>();
    const source = Object.assign(new EventEmitter(), { map, status: "online" });
    const taken: number[] = [];
    const cursor = {
      position: undefined as { epoch: number; offset: number } | undefined,
      markTaken: ({ offset }: { offset: number }) => void taken.push(offset),
    };
    const printer = new MapPrinter(stream, source, cursor);
    for (const key of ["a", "b"]) source.emit("change", { key, value: undefined });
    // The subscription has its position after the last change of an update.
    cursor.position = { epoch: 7, offset: 2 };
    await expect.poll(() => taken).toEqual([2]);
    source.emit("change", { key: "c", value: undefined });
    cursor.position = { epoch: 7, offset: 3 };
    await printer.end();
    expect(taken).toEqual([2, 3]);
  });
});
