import { formatSelectionFields, parseSelectionFields } from "../frames/selection-fields.js";
import { describe, expect, it } from "vitest";
import { fitSelection, grantSelection, isThinning, keyTest, WHOLE, type Selection } from "./selection.js";

const grant = (asked: Partial<Selection>, windowMs = 0): Selection =>
  grantSelection({ ...WHOLE, ...asked }, windowMs);

describe("a selection", () => {
  it("is whole unless asked otherwise", () => {
    expect(grant({})).toEqual(WHOLE);
    expect(grant({ fields: [] })).toEqual(WHOLE);
    expect([WHOLE, grant({ fields: ["a"], heartbeatMs: 1_000 })].map(isThinning)).toEqual([false, false]);
    expect(
      [grant({ samples: "latest" }), grant({ maxRate: 1 }), grant({ deadband: 0 })].map(isThinning),
    ).toEqual([true, true, true]);
  });

  it("has each name once, in order, so that those who ask for the same share a lane", () => {
    expect(grant({ fields: ["b", "a", "b"] })).toEqual(grant({ fields: ["a", "b"] }));
  });

  it.each([
    [1_000, 0, null, 1_000],
    [1_999, 0, null, 1_000],
    [7_000, 0, null, 5_000],
    [10_000, 0, null, 10_000],
    [10_000, 60_000, null, 60_000],
    [10_000, 100, 0.05, 20_000],
    [86_400_000, 0, null, 86_400_000],
    [86_399_999, 0, null, 50_000_000],
  ])(
    "has a heartbeat of %d ms in a window of %d ms at a rate of %s every %d ms",
    (asked, windowMs, rate, granted) => {
      const once = grant({ heartbeatMs: asked, maxRate: rate }, windowMs);
      expect(once.heartbeatMs).toBe(granted);
      expect(grantSelection(once, windowMs)).toEqual(once);
    },
  );

  it.each([
    [{ samples: "some" as "all" }, "samples `some` is not one of all, latest"],
    [{ maxRate: 0 }, "max_rate 0 is no number from 0.001 to 1000 updates a second"],
    [{ maxRate: 1_001 }, "max_rate 1001"],
    [{ maxRate: NaN }, "max_rate NaN"],
    [{ maxRate: "5" as unknown as number }, "max_rate 5 is no number"],
    [{ deadband: -1 }, "deadband -1 is no number from 0 to"],
    [{ deadband: Infinity }, "deadband Infinity"],
    [{ heartbeatMs: 999 }, "heartbeat 999 is no number from 1000 to 86400000 ms"],
    [{ heartbeatMs: 86_400_001 }, "heartbeat 86400001"],
    [{ fields: Array.from({ length: 2_000 }, (_, i) => `f${i}`) }, "fields: 2000 names, at most 64"],
    [{ fields: [""] }, "fields: ``"],
    [{ fields: ["x".repeat(257)] }, "is not a name of 1 to 256 characters"],
    [{ fields: ["a\u0000"] }, "that XML can carry"],
    [{ fields: ["\ud800"] }, "that XML can carry"],
    [{ keys: [] }, "keys: 0 keys, 1 to 64 are allowed"],
    [{ keys: Array.from({ length: 65 }, (_, i) => `k${i}`) }, "keys: 65 keys"],
    [{ keys: ["x".repeat(513)] }, "is not text of 1 to 512 characters"],
    [{ prefix: "" }, "prefix: `` is not text"],
    [{ prefix: "\u0001" }, "that XML can carry"],
    [{ keys: ["a"], prefix: "b" }, "keys and prefix cannot be used together"],
  ])("of %j is refused", (asked, text) => {
    expect(() => grant(asked)).toThrow(
      expect.objectContaining({ code: "invalid-options", message: expect.stringContaining(text) }),
    );
  });

  it("leaves nothing of a log out", () => {
    for (const asked of [{ samples: "latest" }, { maxRate: 5 }, { deadband: 0 }] as const)
      expect(() => grantSelection({ ...WHOLE, ...asked }, 0, "log")).toThrow(/a log promises every update/);
    const asked = { ...WHOLE, fields: ["a"], heartbeatMs: 1_000 };
    expect(grantSelection(asked, 0, "log")).toEqual(asked);
  });
});

describe("a selection of a map", () => {
  it("has a window, a heartbeat and keys, and nothing else", () => {
    const asked = { ...WHOLE, heartbeatMs: 1_000, keys: ["b", "a", "b"] };
    expect(grantSelection(asked, 0, "map")).toEqual({ ...asked, keys: ["a", "b"] });
    for (const more of [{ samples: "latest" }, { maxRate: 5 }, { deadband: 0 }, { fields: ["a"] }] as const)
      expect(() => grantSelection({ ...WHOLE, ...more }, 0, "map")).toThrow(/a map promises every change/);
    for (const kind of ["value", "log"] as const)
      for (const more of [{ keys: ["a"] }, { prefix: "a" }])
        expect(() => grantSelection({ ...WHOLE, ...more }, 0, kind)).toThrow(/only a map has keys/);
  });

  it("takes all keys, some, or those that begin so", () => {
    expect(keyTest(WHOLE)).toBeUndefined();
    const [some, begun] = [{ keys: ["a", "bb"] }, { prefix: "a/" }].map((it) => keyTest({ ...WHOLE, ...it }));
    expect(["a", "b", "bb"].map((key) => some?.(key))).toEqual([true, false, true]);
    expect(["a", "a/", "a/b", "b/a/"].map((key) => begun?.(key))).toEqual([false, true, true, false]);
  });

  it("is fitted to each kind", () => {
    const all: Selection = {
      ...{ samples: "latest", maxRate: 5, fields: ["a"], deadband: 1, heartbeatMs: 1_000 },
      ...{ keys: ["k"], prefix: null },
    };
    expect(fitSelection(all, "value")).toEqual({ ...all, keys: null });
    expect(fitSelection(all, "log")).toEqual({ ...WHOLE, fields: ["a"], heartbeatMs: 1_000 });
    expect(fitSelection(all, "map")).toEqual({ ...WHOLE, keys: ["k"], heartbeatMs: 1_000 });
  });
});

describe("the fields of a form", () => {
  const named = (fields: Record<string, string | readonly string[]>): Map<string, readonly string[]> =>
    new Map(Object.entries(fields).map(([name, value]) => [`{urn:stanzapack:0}${name}`, [value].flat()]));

  it.each([
    {},
    { samples: "latest" },
    { maxRate: 0.001, deadband: 5e-324, heartbeatMs: 1_000 },
    { fields: ["a", "b c", "ü"], deadband: 1e300 },
    { keys: ["a", "b c"] },
    { prefix: "sensor/" },
  ] as const)("bring %j there and back", (asked) => {
    const selection = { ...WHOLE, ...asked };
    const fields = new Map(
      Object.entries(formatSelectionFields(selection)).map(([name, value]) => [name, [value].flat()]),
    );
    expect(fields.size).toBe(Object.keys(asked).length);
    expect(parseSelectionFields(fields)).toEqual(selection);
  });

  it("are none when they are empty", () => {
    const empty = named({ samples: "", max_rate: [], fields: "", deadband: "", heartbeat: "", keys: "" });
    expect(grantSelection(parseSelectionFields(empty), 0)).toEqual(WHOLE);
  });

  it.each([
    ["deadband", "abc", "`abc` is not a number"],
    ["deadband", "0x10", "is not a number"],
    ["max_rate", "Infinity", "is not a number"],
    ["heartbeat", "1".repeat(41), "is not a number"],
    ["samples", ["all", "latest"], "has 2 values, not one"],
  ])("%s %j is refused", (name, value, text) => {
    expect(() => parseSelectionFields(named({ [name]: value }))).toThrow(
      expect.objectContaining({
        code: "invalid-options",
        message: expect.stringMatching(`urn:stanzapack:0}${name}.*${text}`),
      }),
    );
  });
});
