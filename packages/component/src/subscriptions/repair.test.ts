import type { RepairFrame } from "@stanzapack/wire";
import { describe, expect, it, vi } from "vitest";
import type { ClientLink } from "../links/client-link.js";
import { takeRepair } from "./repair.js";

const ASK = { type: "repair", role: "request", alias: 5, ranges: [1], sums: null } as const;

function setUp(own: object = {}) {
  const repair = vi.fn();
  const map = { service: { kind: { repair }, node: "alice@x/map" } };
  const value = { service: { kind: {}, node: "alice@x/value" } };
  const link = {
    takesDigests: true,
    isRetired: (alias: number) => alias === 7,
    subscriptions: new Map<number, object>([
      [5, map],
      [6, value],
    ]),
    ...own,
  } as unknown as ClientLink;
  const codeOf = (frame: RepairFrame): string | undefined => {
    try {
      takeRepair(link, frame);
    } catch (error) {
      return (error as { code: string }).code;
    }
    return undefined;
  };
  return { repair, map, codeOf };
}

describe("REPAIR of a client", () => {
  it("goes to the map of its subscription", () => {
    const { repair, map, codeOf } = setUp();
    expect(codeOf(ASK)).toBeUndefined();
    expect(repair.mock.calls).toEqual([[map, ASK]]);
  });

  it("has no effect for a subscription that has ended", () => {
    const { repair, codeOf } = setUp();
    expect(codeOf({ ...ASK, alias: 7 })).toBeUndefined();
    expect(repair).not.toHaveBeenCalled();
  });

  it("ends the link for an alias that is no subscription, or not to a map", () => {
    const { codeOf } = setUp();
    expect(codeOf({ ...ASK, alias: 8 })).toBe("unknown-alias");
    expect(codeOf({ ...ASK, alias: 6 })).toBe("protocol");
  });

  it("ends the link of a client that does not list it, or that sends entries", () => {
    expect(setUp({ takesDigests: false }).codeOf(ASK)).toBe("protocol");
    const entries = { type: "repair", role: "entries", alias: 5, epoch: 1, position: 1, range: 1 } as const;
    expect(setUp().codeOf({ ...entries, form: "rows", payload: new Uint8Array() })).toBe("protocol");
  });
});
