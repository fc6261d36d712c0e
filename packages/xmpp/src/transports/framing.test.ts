import { describe, expect, it } from "vitest";
import { FramedParser, splitFrames } from "./framing.js";
import { ParseError } from "../xml/parse-error.js";
import type { Element } from "../xml/xml.js";

function parse(...frames: string[]): string[] {
  const parser = new FramedParser();
  const seen: string[] = [];
  for (const event of ["start", "element", "end"]) {
    parser.on(event, (element: Element) => seen.push(`${event} ${element.name} ${String(element.getNS())}`));
  }
  for (const frame of frames) parser.write(frame);
  return seen;
}

const FRAMING = "urn:ietf:params:xml:ns:xmpp-framing";

describe("frames", () => {
  it("has `<open/>` and `<close/>` for header and end (RFC 7395 §3.4, §3.6)", () => {
    expect(
      parse(
        `<open xmlns='${FRAMING}'/>`,
        "<stream:features/><message/><iq xmlns='x'/>",
        `<close xmlns='${FRAMING}'/>`,
        "<message/>",
      ),
    ).toEqual([
      `start open ${FRAMING}`,
      "element stream:features http://etherx.jabber.org/streams",
      "element message jabber:client",
      "element iq x",
      `end close ${FRAMING}`,
    ]);
  });

  it.each(["<a>", "<a", "<a/><b", "text", "<![CDATA[x]]>", "<a></b>", "<?xml version='1.0'?><a/>"])(
    "refuses the frame %s",
    (frame) => {
      expect(() => parse(frame)).toThrow(ParseError);
    },
  );

  it("cuts our text into elements that say their namespaces", () => {
    expect(splitFrames("<iq a='>'><x xmlns='y'/></iq><open xmlns='z'/>")).toEqual([
      "<iq xmlns='jabber:client' a='>'><x xmlns='y'/></iq>",
      "<open xmlns='z'/>",
    ]);
  });

  it.each([
    ["a newline before xmlns", "<message\n  xmlns='x'/>", ["<message\n  xmlns='x'/>"]],
    ["a tab before xmlns", "<message\txmlns\n=\n'x'/>", ["<message\txmlns\n=\n'x'/>"]],
    [
      "an attribute that only speaks of xmlns",
      `<message id=" xmlns='x'"/>`,
      [`<message xmlns='jabber:client' id=" xmlns='x'"/>`],
    ],
    ["a prefix's declaration", "<iq xmlns:x='y'/>", ["<iq xmlns='jabber:client' xmlns:x='y'/>"]],
    ["whitespace around", " \n<a xmlns='x'/>\n <b xmlns='x'/>\n", ["<a xmlns='x'/>", "<b xmlns='x'/>"]],
    ["whitespace alone", " \n", []],
    [
      "tags in a CDATA section",
      "<a xmlns='x'><![CDATA[</a><b>]]></a><c xmlns='x'/>",
      ["<a xmlns='x'><![CDATA[</a><b>]]></a>", "<c xmlns='x'/>"],
    ],
  ])("cuts text with %s", (_, text, frames) => {
    expect(splitFrames(text)).toEqual(frames);
  });
});
