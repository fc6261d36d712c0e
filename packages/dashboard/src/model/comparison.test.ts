import { describe, expect, it } from "vitest";
import { compareServices, ComparisonRates } from "./comparison.js";

describe("the comparison", () => {
  const row = (service: string, form: string, bytes: number, quotes = 0) => ({
    ...{ service, form, updates: 10, bytesDown: bytes, bytesUp: 10, quoteEscapeBytes: quotes },
  });
  const rows = [
    row("cpu", "stanzapack", 90),
    row("cpu", "json-body", 310, 20),
    row("*", "stanzapack", 90),
    row("*", "json-body", 310, 20),
  ];

  it("has the bytes per update of each form, without those of quotes", () => {
    expect(compareServices(rows)).toEqual([
      { service: "cpu", updates: 10, bytesPerUpdate: [10, 30, null] },
      { service: "*", updates: 10, bytesPerUpdate: [10, 30, null] },
    ]);
  });

  it("has rates since the last look, and none where the counts began anew", () => {
    const rates = new ComparisonRates();
    expect(rates.rates(rows, 1_000)).toBeUndefined();
    const later = [row("*", "stanzapack", 190), row("*", "json-body", 810, 20)];
    expect(rates.rates(later, 1_500)).toEqual([200, 1_000, 0]);
    expect(rates.rates(rows, 2_000)).toBeUndefined();
  });
});
