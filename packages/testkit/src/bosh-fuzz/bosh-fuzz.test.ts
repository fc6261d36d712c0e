import { describe, expect, it } from "vitest";
import { fuzzBosh } from "./bosh-fuzz.js";

describe("a BOSH client under mutated answers", () => {
  it("never throws, leaves nothing behind, and ends as it should, whatever comes", async () => {
    const report = await fuzzBosh({ count: 2_000, seed: 124 });
    expect(report.findings).toEqual([]);
    expect(report.bodies).toBe(2_000);
    expect(report.online).toBeGreaterThan(50);
    expect(report.delivered).toBeGreaterThan(500);
    expect(report.sent).toBeGreaterThan(10);
    expect(report.resent).toBeGreaterThan(20);
    expect(Object.keys(report.ends)).toEqual(
      expect.arrayContaining(["disconnected", "protocol", "unreachable"]),
    );
  });
});
