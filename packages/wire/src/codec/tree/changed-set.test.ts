import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BitCoder } from "../coder/bit-coder.js";
import { ChangedSet } from "./changed-set.js";

interface Drawn {
  readonly size: number;
  readonly changed: readonly number[];
}

/** Encodes each set in a message, reads it back, and returns the bytes of all messages. */
function roundTrip(sets: readonly Drawn[]): number {
  const [encoder, decoder] = [new BitCoder(256), new BitCoder(256)];
  const writer = new ChangedSet(encoder, 10, 20);
  const reader = new ChangedSet(decoder, 10, 20);
  let bytes = 0;
  for (const { size, changed } of sets) {
    encoder.beginEncoding();
    writer.code(size, changed);
    const message = encoder.finish().slice();
    bytes += message.length;
    decoder.beginDecoding(message, 0, message.length);
    expect(reader.code(size, [])).toEqual(changed);
  }
  return bytes;
}

describe("a set of changed places", () => {
  it("comes back, whatever its size", () => {
    const drawn = fc
      .integer({ min: 1, max: 300 })
      .chain((size) =>
        fc
          .uniqueArray(fc.nat(size - 1), { minLength: 1, maxLength: 40 })
          .map((changed): Drawn => ({ size, changed: changed.sort((a, b) => a - b) })),
      );
    fc.assert(fc.property(fc.array(drawn, { maxLength: 10 }), (sets) => void roundTrip(sets)));
  });

  it("costs the logarithm of the places, and less where some change more often", () => {
    let seed = 1;
    const random = (): number => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
    const anywhere = Array.from({ length: 1_000 }, () => ({
      size: 512,
      changed: [Math.floor(random() * 512)],
    }));
    // 9 bits, and the end of a message.
    expect(roundTrip(anywhere) / 1_000).toBeLessThan(1.75);
    const rarely = anywhere.map(({ size, changed }) =>
      random() < 0.9 ? { size, changed: [7] } : { size, changed },
    );
    expect(roundTrip(rarely) / 1_000).toBeLessThan(1.2);
    const inTurn = anywhere.map(({ size }, i) => ({ size, changed: [i % 512] }));
    expect(roundTrip(inTurn) / 1_000).toBeLessThan(1.2);
  });

  it("costs next to nothing where all changed", () => {
    const changed = Array.from({ length: 200 }, (_, i) => i);
    expect(roundTrip(Array.from({ length: 100 }, () => ({ size: 200, changed }))) / 100).toBeLessThan(4);
  });
});
