import fc from "fast-check";
import { expect, it } from "vitest";
import { Heaviest } from "./heaviest.js";

it("gives one that holds at least half of what the heaviest holds", () => {
  const changes = fc.array(fc.tuple(fc.nat(9), fc.oneof(fc.nat(20), fc.nat(2 ** 30), fc.constant(0))));
  fc.assert(
    fc.property(changes, (all) => {
      const heaviest = new Heaviest<number>();
      const weights = new Map<number, number>();
      for (const [item, weight] of all) {
        heaviest.set(item, weight);
        weights.set(item, weight);
        const most = Math.max(...weights.values());
        if (most === 0) expect(heaviest.top).toBeUndefined();
        else expect(2 * heaviest.get(heaviest.top as number)).toBeGreaterThanOrEqual(most);
      }
    }),
  );
});
