import { describe, expect, it } from "vitest";
import { fuzzIbb } from "./ibb-fuzz.js";

describe("In-Band Bytestreams under mutated stanzas", () => {
  it("never throw, never leak, and answer as XEP-0047 asks, whatever comes", async () => {
    const report = await fuzzIbb({ count: 5_000, seed: 47 });
    expect(report.findings).toEqual([]);
    expect(report.opened).toBeGreaterThan(100);
    expect(report.blocks).toBeGreaterThan(300);
    expect(report.sent).toBeGreaterThan(100);
    expect(report.lean).toBeGreaterThan(200);
    expect(Object.keys(report.answers).sort()).toEqual([
      "bad-request",
      "item-not-found",
      "not-acceptable",
      "nothing",
      "resource-constraint",
      "result",
      "unexpected-request",
    ]);
  });
});
