import { expect, it } from "vitest";
import { ownText } from "./own-text.js";

it.each(["", "a@b/c", "ä@ö.example/😀", 'quoted "\\\n', "\ud800 alone"])("copies %j as it is", (text) => {
  expect(ownText(`x${text}`.slice(1))).toBe(text);
});
