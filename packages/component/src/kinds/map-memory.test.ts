import { expect, it } from "vitest";
import { MapMemory } from "./map-memory.js";

const LIMITS = { maxMapBytes: 1_000, maxMapBytesPerJid: 400, remotePercent: 25, domainShare: 2 };
const isOurs = (domain: string): boolean => domain === "ours";

it("bounds the maps of one owner, of another domain, and all of them", () => {
  const memory = new MapMemory(LIMITS, isOurs);
  const [one, two] = [memory.open("alice@ours"), memory.open("alice@ours")];
  one.hold(300);
  expect([two.lacking(100), two.lacking(101)]).toEqual([undefined, "400 bytes for all maps of alice@ours"]);
  two.hold(100);
  one.hold(200);
  expect([two.lacking(100), memory.used]).toEqual([undefined, 300]);
  const far = memory.open("eve@theirs");
  expect(far.lacking(101)).toBe("100 bytes for all maps of eve@theirs");
  far.hold(100);
  memory.open("mallory@theirs").hold(100);
  expect(memory.open("oscar@theirs").lacking(1)).toBe("200 bytes for all maps of theirs");
  memory.open("bob@ours").hold(400);
  memory.open("carol@ours").hold(90);
  expect(memory.open("dave@ours").lacking(11)).toBe("1000 bytes for all maps of the component");
});

it("gives the memory of a map back", () => {
  const memory = new MapMemory(LIMITS, isOurs);
  const share = memory.open("alice@ours");
  share.hold(400);
  share.hold(0);
  expect([memory.used, memory.open("alice@ours").lacking(400)]).toEqual([0, undefined]);
});
