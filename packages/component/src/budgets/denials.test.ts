import { expect, it } from "vitest";
import { Denials } from "./denials.js";

it("are remembered for their time, whatever one publisher denies", () => {
  const denials = new Denials();
  denials.add("alice@x", "bob", 1_000);
  for (let i = 0; i < 25_000; i++) denials.add("mallory@x", `bob${i}`, 1_000);
  expect(denials.isDenied("alice@x", "bob", 999)).toBe(true);
  expect(denials.isDenied("alice@x", "bob", 1_000)).toBe(false);
  expect(denials.isDenied("mallory@x", "bob0", 999)).toBe(false);
  expect(denials.isDenied("mallory@x", "bob24999", 999)).toBe(true);
  denials.sweep(1_000);
  expect(denials.isDenied("alice@x", "bob", 0)).toBe(false);
  denials.add("alice@x", "bob", 3_000);
  denials.add("alice@x", "bob", 4_000);
  expect(denials.isDenied("alice@x", "bob", 3_999)).toBe(true);
});
