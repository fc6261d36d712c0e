import { describe, expect, it } from "vitest";
import { slopeOf, toRows, type Step } from "./slopes.js";

describe("slopes", () => {
  it("are those of the line with the least squares", () => {
    expect(
      slopeOf([
        [0, 1],
        [1, 3],
        [2, 5],
      ]),
    ).toBe(2);
    expect(
      slopeOf([
        [0, 0],
        [1, 2],
        [2, 1],
      ]),
    ).toBe(0.5);
    expect(slopeOf([[1, 1]])).toBeUndefined();
    expect(slopeOf([])).toBeUndefined();
  });

  it("tell what one more costs, whatever the component costs without", () => {
    const step = (subscribers: number): Step => ({
      ...{ subscribers, accounts: subscribers / 10, stanzasPerSecond: 10 * subscribers },
      cpuUsPerSecond: 5_000 + 20 * subscribers,
      ...{ heapBytes: 9_000_000 + 3_000 * subscribers, rssBytes: 50_000_000 + 8_000 * subscribers },
    });
    expect(toRows({ heapBytes: 8_000_000, rssBytes: 50_000_000 }, [step(100), step(1_000)])).toEqual([
      {
        ...{ subscribers: 100, accounts: 10, stanzasPerSecond: 1_000, cpuUsPerStanza: 7 },
        ...{ heapBytesPerSubscriber: 13_000, rssBytesPerSubscriber: 8_000, slope: false },
      },
      {
        ...{ subscribers: 1_000, accounts: 100, stanzasPerSecond: 10_000, cpuUsPerStanza: 2.5 },
        ...{ heapBytesPerSubscriber: 4_000, rssBytesPerSubscriber: 8_000, slope: false },
      },
      {
        ...{ subscribers: null, accounts: null, stanzasPerSecond: null, cpuUsPerStanza: 2 },
        ...{ heapBytesPerSubscriber: 3_000, rssBytesPerSubscriber: 8_000, slope: true },
      },
    ]);
  });

  it("are not measured by one step", () => {
    const one: Step = {
      ...{ subscribers: 1, accounts: 1, stanzasPerSecond: 0, cpuUsPerSecond: 5, heapBytes: 2, rssBytes: 3 },
    };
    const [row, slopes] = toRows({ heapBytes: 1, rssBytes: 1 }, [one]);
    expect(row).toMatchObject({ cpuUsPerStanza: null, heapBytesPerSubscriber: 1 });
    expect(slopes).toMatchObject({ cpuUsPerStanza: null, heapBytesPerSubscriber: null, slope: true });
  });
});
