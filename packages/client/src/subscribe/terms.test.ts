import { WHOLE } from "@stanzapack/wire";
import { describe, expect, it } from "vitest";
import { Terms } from "./terms.js";

describe("the terms of a subscription", () => {
  it("want the wider window while the client is inactive, and no other while it pauses", () => {
    const terms = new Terms("alice@x/t", { windowMs: 100 });
    expect([terms.wantedWindowMs, terms.paused]).toEqual([100, false]);
    terms.setInactive({ windowMs: 1_000 });
    expect([terms.wantedWindowMs, terms.widened(5_000), terms.paused]).toEqual([1_000, 5_000, false]);
    terms.setInactive("pause");
    expect([terms.wantedWindowMs, terms.paused]).toEqual([100, true]);
    terms.setInactive(undefined);
    expect([terms.wantedWindowMs, terms.askedWindowMs, terms.paused]).toEqual([100, 100, false]);
  });

  it("are in force when window and selection are granted, and slow when the wider window is", () => {
    const terms = new Terms("alice@x/t", { windowMs: 60, deadband: 2 });
    expect(terms.inForce).toBe(false);
    terms.grant({ windowMs: 100, selection: WHOLE });
    expect([terms.inForce, terms.thins]).toEqual([false, false]);
    terms.grant({ windowMs: 100, selection: { ...WHOLE, deadband: 2 } });
    expect([terms.inForce, terms.thins, terms.slowed]).toEqual([true, true, false]);
    terms.setInactive({ windowMs: 1_000 });
    expect([terms.inForce, terms.slowed]).toEqual([false, false]);
    terms.grant({ windowMs: 1_000, selection: terms.grantedSelection });
    expect([terms.inForce, terms.slowed]).toEqual([true, true]);
  });

  it("know no kind before BIND, so that keys and thinning may still change", () => {
    const terms = new Terms("alice@x/t", { keys: ["a"] });
    expect(terms.kind).toBeUndefined();
    expect(terms.changed({ heartbeatMs: 1_000 }, false).selection).toMatchObject({ keys: ["a"] });
    terms.bound("map");
    expect(terms.kind).toBe("map");
    expect(() => terms.changed({ maxRate: 1 }, false)).toThrow(/map/);
  });

  it("of a log leave nothing out: a program's change throws, a pattern's loses the option", () => {
    const terms = new Terms("alice@x/t", { deadband: 2 });
    terms.bound("log");
    expect(terms.askedSelection).toEqual(WHOLE);
    expect(() => terms.changed({ deadband: 1 }, false)).toThrow(/log/);
    expect(terms.changed({ deadband: 1, fields: ["a"] }, true)).toEqual({
      ...{ windowMs: 0, selection: { ...WHOLE, fields: ["a"] } },
    });
  });

  it("are the same for every reader, whose beginning only the first chooses", () => {
    const terms = new Terms("alice@x/t", { since: "first" });
    expect(() => terms.assertSame({ since: "first" }, false)).not.toThrow();
    expect(() => terms.assertSame({ since: "first" }, true)).toThrow("with another `since`");
    expect(() => terms.assertSame({ since: { epoch: 1, offset: 5 } }, false)).toThrow("with another `since`");
    expect(() => terms.assertSame({ windowMs: 5 }, false)).toThrow("with another `windowMs`");
  });
});
