import { describe, expect, it } from "vitest";
import { backoffMs, sleep } from "./timing.js";

describe("backoff", () => {
  it("doubles up to its most, with full jitter", () => {
    const policy = { minMs: 500, maxMs: 10_000 };
    expect([0, 1, 2, 3, 4, 5, 1_000].map((failures) => backoffMs(policy, failures, 1))).toEqual([
      500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000,
    ]);
    expect(backoffMs(policy, 3, 0)).toBe(0);
    expect(backoffMs(policy, 3, 0.5)).toBe(2_000);
  });
});

describe("sleep", () => {
  it("ends with its signal, and leaves no timer", async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = timers();
    const abort = new AbortController();
    const sleeping = sleep(60_000, abort.signal);
    abort.abort();
    await sleeping;
    await sleep(60_000, abort.signal);
    expect(timers()).toBe(before);
  });

  it("sleeps many times with one signal, which wakes all, and Node sees no leak", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on("warning", onWarning);
    const life = new AbortController();
    let awake = 0;
    const all = Array.from({ length: 100 }, (_, i) =>
      sleep(i === 0 ? 0 : 1_000_000, life.signal).then(() => awake++),
    );
    await all[0];
    expect(awake).toBe(1);
    life.abort();
    await Promise.all(all);
    await sleep(1_000_000, life.signal);
    // Node emits warnings in a tick of their own.
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", onWarning);
    expect(warnings).toEqual([]);
  });
});
