import { runSlowServer } from "@stanzapack/bench";
import { describe, expect, it } from "vitest";
import { SERVERS } from "./support/stack.js";

// The short form of `stanzapack bench slow-server`. The long form takes a minute.
describe("a publisher at a server that limits its bytes per second, as it ships", () => {
  it("widens its window and conflates, so that the newest value stays young", async () => {
    const rows = await Promise.all(SERVERS.map((server) => runSlowServer({ server, forMs: 30_000 })));
    for (const row of rows) {
      // Usually it is half of this. On a busy machine the publisher itself is late.
      expect(row.ageOfAllowed, JSON.stringify(row)).toBeLessThan(5);
      expect(row.lost).toBe(0);
      expect(row.windowMs).toBeGreaterThan(100);
      expect(row.delivered + row.conflated).toBeGreaterThan(100);
      // The age grows as long as values are published. Its rate depends on how many a busy machine publishes.
      expect(row.unpacedAgeMaxMs).toBeGreaterThan(row.ageMaxMs as number);
    }
  });
});
