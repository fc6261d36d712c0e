import { expect, it } from "vitest";
import type { Finding } from "./findings.js";
import { Onsets } from "./onsets.js";

const finding = (key: string, weight: Finding["weight"] = "warn"): Finding => ({ key, weight, text: key });

it("dates each finding by its first sight, and puts new ones before old ones of the same weight", () => {
  const onsets = new Onsets();
  expect(onsets.date([finding("old")], 1)).toMatchObject([{ key: "old", since: 1 }]);
  const all = [finding("old"), finding("new"), finding("worse", "bad")];
  expect(onsets.date(all, 5)).toMatchObject([
    { key: "worse", since: 5 },
    { key: "new", since: 5 },
    { key: "old", since: 1 },
  ]);
});

it("dates a finding anew once it was gone", () => {
  const onsets = new Onsets();
  onsets.date([finding("it")], 1);
  onsets.date([], 2);
  expect(onsets.date([finding("it")], 3)).toMatchObject([{ since: 3 }]);
});
