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
});
