import { expect, it } from "vitest";
import { HelpAnswers } from "./help-answers.js";

const TEN_MINUTES_MS = 600_000;

it("answers three words of chat at once, and one more in ten minutes: two programs that talk soon stop", () => {
  const help = new HelpAnswers();
  const taken = (jid: string, now: number): boolean[] => [1, 2, 3, 4].map(() => help.take(jid, now));
  expect(taken("alice@x", 0)).toEqual([true, true, true, false]);
  expect(taken("bob@x", 1)).toEqual([true, true, true, false]);
  expect(taken("alice@x", TEN_MINUTES_MS)).toEqual([true, false, false, false]);
  expect(taken("alice@x", 100 * TEN_MINUTES_MS)).toEqual([true, true, true, false]);
});

it("remembers a bounded number of accounts: the one answered longest ago is forgotten", () => {
  const help = new HelpAnswers();
  for (let i = 0; i < 3; i++) help.take("first@x", 0);
  for (let i = 0; i < 999; i++) help.take(`${i}@x`, 1);
  expect(help.take("first@x", 2)).toBe(false);
  help.take("last@x", 3);
  expect(help.take("first@x", 4)).toBe(true);
});
