import { runJoiners } from "@stanzapack/bench";
import { describe, expect, it } from "vitest";
import { behind } from "./support/whole.js";

// The short form of `stanzapack bench joiners`. The long form has two minutes and 100 subscribers.
describe.each(behind("prosody"))("a lane whose subscribers come and go, behind %s", (server) => {
  it("costs those who stay next to nothing, and lets nobody wait for long", async () => {
    // A key comes every ten seconds at most. In a shorter run, nobody may get onto the lane.
    const row = await runJoiners({ server, subscribers: 20, forMs: 13_000 });
    expect(row).toMatchObject({ subscribers: 20, staying: 18, joins: 12, lost: 0 });
    // 100 on an idle machine. The ratio needs some.
    expect(row.updates).toBeGreaterThan(20);
    expect(row.ratio).toBeLessThan(1.1);
    expect(row.waitMaxMs).toBeLessThan(30_000);
    // Independent bodies are larger than the others' chained bodies, but far from twice as large.
    expect(row.joinerBytesPerUpdate).toBeLessThan(1.5 * row.quietBytesPerUpdate);
  });
});
