import fc from "fast-check";
import { expect, it } from "vitest";
import { BoshWindow } from "./bosh-window.js";

it("gives each answer once, in the order of requests, whatever the order and number of answers", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.nat({ max: 6 }), { maxLength: 200 }),
      (size, steps) => {
        const window = new BoshWindow<number>(100);
        window.size = size;
        const got: number[] = [];
        for (const step of steps) {
          if (step < 3) {
            if (window.hasRoom()) window.open(String(window.nextRid));
          } else {
            // Some of these requests are answered already, or were never made.
            const rid = window.nextRid - 1 - (step - 3);
            got.push(...window.answer(rid, rid));
          }
          // XEP-0124 §14.2: requests are never further ahead than the window.
          expect(window.nextRid - (100 + got.length)).toBeLessThanOrEqual(size);
        }
        expect(got).toEqual(got.map((_, i) => 100 + i));
      },
    ),
  );
});
