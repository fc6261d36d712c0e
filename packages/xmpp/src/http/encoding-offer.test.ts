import { describe, expect, it } from "vitest";
import { createEncodingOffer, type EncodingOffer } from "./encoding-offer.js";

const costs = { requestBytes: 23, answerBytes: 43 };

/** Plays a proxy that halves texts of at least `minBytes`. Returns how many requests asked for compression. */
function play(offer: EncodingOffer, texts: readonly number[], minBytes: number): number {
  let asks = 0;
  for (const textBytes of texts) {
    const asked = offer.isWorthIt();
    const compressed = asked && textBytes >= minBytes;
    asks += asked ? 1 : 0;
    offer.onAnswer({ asked, compressed, textBytes, sentBytes: compressed ? textBytes / 2 : textBytes });
  }
  return asks;
}
const times = (count: number, textBytes: number): number[] => Array.from({ length: count }, () => textBytes);

describe("asking for compression", () => {
  it("ends after six answers where nobody compresses", () => {
    expect(play(createEncodingOffer(costs), times(50, 2_000), Infinity)).toBe(6);
  });

  it("goes on while it pays, ends when answers are small, and begins again when they grow", () => {
    const offer = createEncodingOffer(costs);
    expect(play(offer, times(100, 1_000), 500)).toBe(100);
    expect(play(offer, times(100, 300), 500)).toBeLessThan(50);
    expect(play(offer, times(50, 300), 500)).toBe(0);
    expect(play(offer, times(50, 1_000), 500)).toBeGreaterThan(45);
  });

  it("ends where answers grow by it", () => {
    const offer = createEncodingOffer(costs);
    play(offer, times(20, 60), 0);
    expect(play(offer, times(50, 60), 0)).toBe(0);
    expect(play(offer, [0, 0, 0], 0)).toBe(0);
  });
});
