import { describe, expect, it } from "vitest";
import { countElements } from "./outbound-check.js";
import { escapeAttribute, escapeText, xml } from "./xml.js";

/** XML 1.0 §2.2: characters that XML cannot carry, even escaped. */
const NOT_XML = ["\0", "\u0002", "\u000b", "\u001f", "\ufffe", "\uffff", "\ud800", "\udc00x", "x\udbff"];

describe("what is to be sent", () => {
  it.each(NOT_XML)("holds no %j, as text, attribute, name or attribute's name", (text) => {
    const refused = expect.objectContaining({ code: "invalid-xml" }) as Error;
    for (const element of [
      xml("a", {}, `x${text}`),
      xml("a", { b: `x${text}` }),
      xml("a", {}, xml("b", {}, text)),
      xml(`a${text}`),
      xml("a", { [`b${text}`]: "1" }),
    ])
      expect(() => countElements(element.toString())).toThrow(refused);
    expect(() => escapeAttribute(text)).toThrow(refused);
    expect(() => escapeText(text)).toThrow(/U\+[0-9A-F]{4}/);
  });

  it.each([
    "<a>",
    "</stream>",
    "<a/></stream><stream>",
    "<a></b>",
    "<1m/>",
    "<a 1b=''/>",
    "<a b:c=''/>",
    "<b:a/>",
    "<a>]]></a>",
    "<a>&nbsp;</a>",
    "<a>&#2;</a>",
    "<!-- x --><a/>",
    "<a><?php ?></a>",
    "<?xml version='1.0'?><a/>",
    "text",
  ])("is refused when it is %s, and what follows is not", (text) => {
    expect(() => countElements(text)).toThrow(expect.objectContaining({ code: "invalid-xml" }) as Error);
    expect(countElements("<a/><message/>")).toMatchObject({ elements: 2, stanzas: 1 });
  });

  it("is any well-formed XML, and counted", () => {
    const text =
      "<message><body>a\t\n\r\u0085 \u{1f600} \u{10ffff}\ufffd</body></message>\n<iq/><presence/><r/>";
    expect(countElements(text)).toMatchObject({ elements: 4, stanzas: 3 });
    expect(countElements(" ")).toMatchObject({ elements: 0, stanzas: 0 });
    expect(countElements(`<message>${"<a>".repeat(500)}${"</a>".repeat(500)}</message>`)).toMatchObject({
      stanzas: 1,
    });
  });
});
