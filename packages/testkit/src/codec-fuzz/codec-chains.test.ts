import { ChainDecoder, DEFAULT_CODEC_LIMITS } from "@stanzapack/wire";
import { expect, test } from "vitest";
import { createSampleChain } from "./codec-chains.js";

test("the same seed gives the same chain, which reads as it says", () => {
  let bodyCount = 0;
  for (let seed = 1; seed <= 100; seed++) {
    const chain = createSampleChain(seed);
    expect(createSampleChain(seed)).toEqual(chain);
    const decoder = new ChainDecoder(DEFAULT_CODEC_LIMITS);
    for (const [i, hex] of chain.bodies.entries()) {
      const payload = Uint8Array.from(Buffer.from(hex, "hex"));
      const read = decoder.decode(
        i === 0
          ? { form: chain.map ? "map" : "key", chain: 1, epoch: 1, from: 1, payload }
          : { form: "chained", payload },
        true,
      );
      expect([read?.at, read?.spanMs]).toEqual(chain.times[i]?.slice(0, 2));
      expect(read?.rows).toHaveLength(chain.rows[i]?.length ?? -1);
      bodyCount++;
    }
  }
  expect(bodyCount).toBeGreaterThan(250);
});
