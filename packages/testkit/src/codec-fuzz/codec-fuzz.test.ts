import { describe, expect, it } from "vitest";
import { fuzzCodec } from "./codec-fuzz.js";

describe("the columnar codec under damaged batches", () => {
  it("throws what ends a link and nothing else, never hangs, and delivers what was not damaged", () => {
    const report = fuzzCodec({ count: 15_000, seed: 4 });
    expect(report.findings).toEqual([]);
    expect(Object.keys(report.results)).toEqual(
      expect.arrayContaining(["arrived", "read", "refused", "malformed", "limit-exceeded"]),
    );
    for (const result of ["arrived", "read", "refused", "malformed", "limit-exceeded"])
      expect(report.results[result], result).toBeGreaterThan(100);
  });
});
