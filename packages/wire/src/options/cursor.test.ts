import { expect, it } from "vitest";
import { isCursorName } from "./cursor.js";

it.each(["a", "warehouse", "A-Z_0.9", "x".repeat(64)])("`%s` names a cursor", (name) =>
  expect(isCursorName(name)).toBe(true),
);

it.each(["", "x".repeat(65), "a b", "a/b", "ä", "a\n", "*"])("`%s` names no cursor", (name) =>
  expect(isCursorName(name)).toBe(false),
);
