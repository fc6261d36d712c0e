import { expect, it } from "vitest";
import { encodeEntry } from "../base/entries.js";
import { ChunkCache } from "./chunks.js";
import { RedisReader } from "./redis-reader.js";

it("catches up with a journal whose newest rows leave memory as fast as it reads", async () => {
  let newest = 1_000;
  let reads = 0;
  const reader = new RedisReader({
    ...{ chunks: new ChunkCache(1e6), journal: "j", epoch: 1, isUp: () => true },
    onProblem: () => undefined,
    run: (_script, _keys, [start]) => {
      reads++;
      const from = Number(String(start).split("-")[1]);
      const rows = Array.from({ length: newest - from + 1 }, (_, i) => ({
        ...{ from: from + i, offset: from + i, at: 0, cameAt: 0, row: Uint8Array.of(1) },
      }));
      return Promise.resolve(
        rows.map((row) => Buffer.from(encodeEntry({ before: row.offset - 1, rows: [row] }))),
      );
    },
  });
  let at = 1;
  for (let turns = 0; turns < 20 && at < newest - 512; turns++) {
    // Memory has the newest 512 rows.
    const slice = reader.slice(at, newest - 512, newest, at, 256, 65_536);
    // The reply is there at once, so it is taken before the next task.
    if (slice === "wait") await new Promise((resolve) => setImmediate(resolve));
    else at = (slice?.to ?? at) + 1;
    newest++;
  }
  expect(at).toBeGreaterThan(newest - 512);
  expect(reads).toBeLessThan(3);
});
