import { describe, expect, it } from "vitest";
import { AnswerTime } from "./answer-time.js";

describe("the time an answer may take", () => {
  it("is the longest until one came, then three times that, at least the shortest", () => {
    const time = new AnswerTime(1_000, 10_000);
    expect(time.dueMs).toBe(10_000);
    time.took(800);
    expect(time.dueMs).toBe(2_400);
    const quick = new AnswerTime(1_000, 10_000);
    quick.took(20);
    expect(quick.dueMs).toBe(1_000);
  });

  it("grows with slow and with uneven answers, never over the longest, and comes down again", () => {
    const time = new AnswerTime(1_000, 10_000);
    for (let i = 0; i < 20; i++) time.took(i % 2 === 0 ? 200 : 2_000);
    expect(time.dueMs).toBeGreaterThan(4_000);
    expect(time.unevenMs).toBeGreaterThan(2_000);
    for (let i = 0; i < 20; i++) time.took(9_000);
    expect(time.dueMs).toBeGreaterThan(9_000);
    expect(time.dueMs).toBeLessThanOrEqual(10_000);
    for (let i = 0; i < 100; i++) time.took(50);
    expect(time.dueMs).toBe(1_000);
    expect(time.unevenMs).toBeLessThan(1);
  });
});
