import { expect, test } from "vitest";
import { adviseOn, formatCut, formatDelay, judge } from "./advice.js";
import { Estimator, type EstimateRow } from "./estimator.js";

async function advise(): Promise<string> {
  const estimator = new Estimator({ workload: "int", cuts: [{ batch: 1 }, { batch: 100 }] });
  let [x, state] = [500, 1];
  for (let i = 0; i < 300; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    await estimator.add({ x: (x += Math.round((state / 2 ** 32 - 0.5) * 6)) });
  }
  return adviseOn(await estimator.finish()).join("\n");
}

test("says where JSON is smaller, and what the packet underneath costs", async () => {
  const advice = await advise();
  expect(advice).toMatch(
    /^tcp, zlib: 1 a stanza: stay with JSON \(json-body \d+\.?\d* bytes, Stanzapack 2\d\.\d\)/m,
  );
  expect(advice).toMatch(/100 a stanza: Stanzapack, \d\.\d times smaller than json-batch/);
  expect(advice).toContain("costs about 74 bytes more, so that JSON's few bytes less hardly show");
  expect(advice).toMatch(
    /^Smallest of all: stanzapack, 100 a stanza, tcp, zlib: \d\.\d\d bytes an update\.$/m,
  );
});

test("has nothing to say about nothing", () => {
  expect(adviseOn([])).toEqual([]);
});

/** Rows of TCP: bytes an update as JSON and as Stanzapack, plain and compressed, for each batch. */
function rowsOf(
  cuts: readonly (readonly [batch: number, plain: [number, number], zlib: [number, number]])[],
): EstimateRow[] {
  return cuts.flatMap(([batch, plain, zlib]) =>
    (
      [
        ["none", plain],
        ["zlib", zlib],
      ] as const
    ).flatMap(([compression, bytes]) =>
      (["json-batch", "stanzapack"] as const).map((form, index): EstimateRow => ({
        ...{ workload: "x", updates: 1, batch, windowMs: null, delayMs: batch === 1 ? 0 : batch * 100 },
        ...{ transport: "tcp", compression, form },
        envelope: form === "stanzapack" ? "lean" : null,
        ...{ bytes: bytes[index] ?? 0, bytesPerUpdate: bytes[index] ?? 0 },
      })),
    ),
  );
}

test("judges in a line: at once, from a batch on, only plain, not at all", () => {
  const wins: [number, number] = [20, 10];
  const draws: [number, number] = [10, 10];
  const loses: [number, number] = [5, 10];
  expect(judge(rowsOf([[1, wins, wins]]))).toBe(
    "Verdict: worth it, also at 1 a stanza: 10.0 bytes an update instead of JSON's 20.0, " +
      "10.0 bytes an update instead of JSON's 20.0 with stream compression.",
  );
  const from = (...cuts: Parameters<typeof rowsOf>[0]): string | undefined => judge(rowsOf(cuts));
  expect(from([1, wins, draws], [10, wins, wins])).toMatch(/worth it from 10 a stanza \(1 s\) on: /);
  expect(from([1, loses, loses], [10, wins, draws])).toMatch(
    /worth it without stream compression alone, from 10 a stanza \(1 s\) on: /,
  );
  expect(from([1, loses, loses], [10, draws, loses])).toMatch(/stay with JSON. At 10 a stanza \(1 s\): /);
  expect(judge([])).toBeUndefined();
});

test("says how long a batch takes", () => {
  expect([0, 0.5, 100, 1_000, 1_500, 90_000, 7_200_000, 1e9].map(formatDelay)).toEqual([
    "0",
    "0.5 ms",
    "100 ms",
    "1 s",
    "1.5 s",
    "1.5 min",
    "2 h",
    "11.6 d",
  ]);
  expect(formatCut({ batch: 10, windowMs: null, delayMs: 1_000 })).toBe("10 a stanza (1 s)");
  expect(formatCut({ batch: 10, windowMs: null, delayMs: null })).toBe("10 a stanza");
  expect(formatCut({ batch: null, windowMs: 100, delayMs: 100 })).toBe("window 100 ms");
});
