import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { NodeChoice } from "./node-choice.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("has one node, as long as nobody names another", () => {
  const choice = new NodeChoice(["a"]);
  expect(choice.hasOthers).toBe(false);
  choice.told(undefined);
  expect(choice.leave()).toBe(false);
  expect(choice.domain).toBe("a");
});

it("chooses by weight among the siblings, and those of weight 0 last", () => {
  let chance = 0;
  const choice = new NodeChoice(["a"], () => chance);
  const siblings = [
    { domain: "b", weight: 100 },
    { domain: "c", weight: 300 },
    { domain: "d", weight: 0 },
  ];
  choice.told(siblings);
  chance = 0.3;
  expect(choice.leave()).toBe(true);
  expect(choice.domain).toBe("c");
  expect(choice.leave()).toBe(true);
  expect(choice.domain).toBe("b");
  expect(choice.leave()).toBe(true);
  expect(choice.domain).toBe("d");
});

it("takes the node that failed first when all have failed, and any again after a while", () => {
  const choice = new NodeChoice(["a", "b", "c"], () => 0);
  choice.leave();
  vi.advanceTimersByTime(1_000);
  choice.leave();
  vi.advanceTimersByTime(1_000);
  expect(choice.leave()).toBe(false);
  expect(choice.domain).toBe("a");
  vi.advanceTimersByTime(30_000);
  expect(choice.leave()).toBe(true);
  expect(choice.domain).toBe("b");
});

it("keeps the names of the program as the last resort", () => {
  const choice = new NodeChoice(["a", "old"], () => 0.99);
  choice.told([{ domain: "b", weight: 1 }]);
  choice.leave();
  expect(choice.domain).toBe("b");
  choice.leave();
  expect(choice.domain).toBe("old");
});

it("follows a node that names another, but not in a circle", () => {
  const choice = new NodeChoice(["a", "c"], () => 0);
  expect(choice.redirected("b")).toBe(true);
  expect(choice.domain).toBe("b");
  expect(choice.redirected("a")).toBe(true);
  expect(choice.domain).toBe("c");
  expect(choice.redirected("b")).toBe(false);
});
