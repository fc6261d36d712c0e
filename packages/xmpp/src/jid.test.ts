import fc from "fast-check";
import { expect, it } from "vitest";
import { jid } from "./jid.js";
import { jid as webJid } from "./jid.web.js";

const parts = (parse: typeof jid | typeof webJid, text: string): unknown => {
  try {
    const parsed = parse(text);
    const { local, domain, resource } = parsed;
    return [local, domain, resource, parsed.toString(), parsed.bare().toString()];
  } catch (error) {
    return (error as Error).message;
  }
};

it("reads addresses in browsers as in Node", () => {
  expect(parts(webJid, "D'Artagnan@Example.org/Desk/1")).toEqual([
    "d\\27artagnan",
    "example.org",
    "Desk/1",
    "d\\27artagnan@example.org/Desk/1",
    "d\\27artagnan@example.org",
  ]);
  const pieces = fc.constantFrom(..."aÄß@/\\ '\"&:<>.".split(""), "\\20", "\\5c", "\\2F", "\t");
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 12 }), (list) => {
      const text = list.join("");
      expect(parts(webJid, text)).toEqual(parts(jid, text));
    }),
    { numRuns: 2_000 },
  );
});
