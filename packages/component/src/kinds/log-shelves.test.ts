import { expect, it, vi } from "vitest";
import { Arrival } from "../fanout/selector.js";
import type { MemoryJournal } from "../store/memory/memory-journal.js";
import type { StoredService } from "../store/store.js";
import { createService } from "../testing/create-service.js";
import { memoryShelf, storedShelf } from "./log-shelves.js";

function arrive(): { readonly block: Uint8Array; readonly arrival: Arrival } {
  const block = Uint8Array.of(1, 2, 3, 4, 5);
  return { block, arrival: new Arrival(10, 11, [block.subarray(0, 2), block.subarray(2)], [1, 2]) };
}

const ROWS = [Uint8Array.of(1, 2), Uint8Array.of(3, 4, 5)];

it("a shelf in memory keeps copies", () => {
  const append = vi.fn();
  const { block, arrival } = arrive();
  void memoryShelf({ append } as unknown as MemoryJournal).append(createService(), arrival);
  block.fill(0);
  expect(append.mock.calls).toEqual([[10, 11, ROWS, [1, 2], expect.any(Number)]]);
});

it("a shelf in the store writes copies, and in the same change how far the publisher has come", () => {
  const write = vi.fn();
  const { block, arrival } = arrive();
  const service = createService();
  service.record.incarnations.enter(77);
  service.record.incarnations.advance(9);
  void storedShelf({ write } as unknown as StoredService).append(service, arrival);
  block.fill(0);
  expect(write.mock.calls).toEqual([
    [
      {
        append: { from: 10, to: 11, rows: ROWS, ats: [1, 2], cameAt: expect.any(Number) as number },
        incarnations: [{ incarnation: 77, arrived: 9, stored: 9 }],
      },
    ],
  ]);
});
