import { Parser } from "@xmpp/xml";
import { describe, expect, it } from "vitest";
import { ParseError, StreamParser } from "./stream-parser.js";
import { memoryHeld } from "./testing/memory.js";
import type { Element } from "./xml.js";

const HEADER = "<?xml version='1.0'?><s:s xmlns='jabber:client' xmlns:s='urn:s' to=\"a>b\">";

function parse(chunks: Iterable<string>, limits?: ConstructorParameters<typeof StreamParser>[0]): string[] {
  const parser = new StreamParser(limits);
  const elements: string[] = [];
  parser.on("element", (element: unknown) => elements.push(String(element)));
  for (const chunk of chunks) parser.write(chunk);
  return elements;
}

function feed(parser: { write(text: string): void }, text: string, size: number): number {
  const start = performance.now();
  for (let pos = 0; pos < text.length; pos += size) parser.write(text.slice(pos, pos + size));
  return performance.now() - start;
}

describe("StreamParser", () => {
  const stanza =
    "<message to='a@b' from=\"c'd\"><body>a &amp; b &#x1F600; ü</body><x a='1>2'/><e></e><c><![CDATA[<]]]]></c></message>";
  const expected = `<message to="a@b" from="c&apos;d"><body>a &amp; b 😀 ü</body><x a="1&gt;2"/><e/><c>&lt;]]</c></message>`;

  it("reads the same elements however the text is cut", () => {
    const text = `${HEADER} ${stanza}\n${stanza}`;
    expect(parse([text])).toEqual([expected, expected]);
    for (let cut = 1; cut < text.length; cut++) {
      expect(parse([text.slice(0, cut), text.slice(cut)])).toEqual([expected, expected]);
    }
    expect(parse(text)).toEqual([expected, expected]);
  });

  it("gives stanzas the stream's namespace and their length", () => {
    const parser = new StreamParser();
    const seen: [string | undefined, number][] = [];
    parser.on("element", (element: { getNS(): string | undefined }) => {
      seen.push([element.getNS(), parser.lastElementChars]);
    });
    parser.write(`${HEADER} ${stanza} <iq/>`);
    expect(seen).toEqual([
      ["jabber:client", stanza.length],
      ["jabber:client", 5],
    ]);
  });

  it.each([
    ["an unknown entity", "<a>&nbsp;</a>", "not-well-formed"],
    ["a bare ampersand", "<a>a & b</a>", "not-well-formed"],
    ["a forbidden character", "<a>&#0;</a>", "not-well-formed"],
    ["tags that cross", "<a><b></a></b>", "not-well-formed"],
    ["an attribute given twice", "<a b='1' b='2'/>", "not-well-formed"],
    ["an attribute without quotes", "<a b=1/>", "not-well-formed"],
    ["attributes without a space", "<a b='1'c='2'/>", "not-well-formed"],
    ["text between stanzas", "text<a/>", "not-well-formed"],
    ["'<' in a tag", "<a <b/>", "not-well-formed"],
    // RFC 6120 §11.1
    ["a comment", "<a><!-- --></a>", "restricted-xml"],
    ["a document type", "<!DOCTYPE a>", "restricted-xml"],
    ["a processing instruction", "<?php ?>", "restricted-xml"],
  ])("refuses %s, and stays dead", (_, text, condition) => {
    const parser = new StreamParser();
    const elements: unknown[] = [];
    parser.on("element", (element) => elements.push(element));
    expect(() => {
      parser.write(HEADER + text);
    }).toThrow(expect.objectContaining({ name: "ParseError", condition }) as Error);
    parser.write("<a/>");
    expect(elements).toEqual([]);
  });

  it("bounds a stanza's length and depth", () => {
    const limits = { maxStanzaChars: 100, maxDepth: 5, maxElements: 1_000 };
    const condition = { condition: "policy-violation" };
    expect(parse([HEADER, `<a>${"x".repeat(93)}</a>`, "<a/>"], limits)).toHaveLength(2);
    expect(() => parse([HEADER, `<a>${"x".repeat(94)}</a>`], limits)).toThrow(
      expect.objectContaining(condition) as Error,
    );
    expect(() => parse([HEADER, `<a b='${"x".repeat(100)}`], limits)).toThrow(
      expect.objectContaining(condition) as Error,
    );
    expect(() => parse([HEADER, "<a>".repeat(5)], limits)).toThrow(
      expect.objectContaining(condition) as Error,
    );
    // Keep-alive whitespace is not part of a stanza.
    expect(parse([HEADER, " ".repeat(60), " ".repeat(60), "<a/>"], limits)).toHaveLength(1);
  });

  it("strips a stanza beyond the bounds where one stream is many peers', however it is cut", () => {
    const limits = { maxStanzaChars: 100, maxDepth: 5, maxElements: 12, beyond: "strip" } as const;
    const long = "x".repeat(120);
    const text = [
      `<iq id='1'><q>${long}</q><r/></iq>`,
      `<iq id='2'><q a='${long}>' b="/"/></iq>`,
      `<iq id='3'><![CDATA[${long}]]><q/></iq>`,
      `<iq id='4'>${"<a>".repeat(6)}t${"</a>".repeat(6)}</iq>`,
      `<iq id='5'>${"<a>".repeat(4)}<b/>${"</a>".repeat(4)}</iq>`,
      `<iq id='6'>${"<a/>".repeat(12)}</iq>`,
      `<iq id='7' a='${long}'/>`,
      `<iq id='8' a='${long}'><q>/</q></iq>`,
      "<iq id='9'><q>1</q></iq>",
    ].join("");
    const stripped = [1, 2, 3, 4, 5, 6].map((id) => `<iq id="${id}"/>`);
    const last = `<iq id="9"><q>1</q></iq>`;
    for (let cut = 1; cut < text.length; cut++) {
      const read = parse([HEADER, text.slice(0, cut), text.slice(cut)], limits);
      expect(read.filter((one) => !one.includes(long))).toEqual([...stripped, last]);
    }
    // Of a first tag that is too long nothing is kept, once it is seen to be.
    expect(parse([HEADER, ...text], limits)).toEqual([...stripped, last]);
    expect(() => parse([`<s:s xmlns:s='${long}`], limits)).toThrow("longer than");
  });

  it("holds little of what it strips", () => {
    // A sixteenth of what comes.
    const limits = { maxStanzaChars: 9_000_000, maxDepth: 5, maxElements: 12, beyond: "strip" } as const;
    const parser = new StreamParser(limits);
    parser.write(`${HEADER}<iq><q a='`);
    const chunk = "x".repeat(65_536);
    const before = memoryHeld();
    for (let i = 0; i < 2_000; i++) parser.write(`${chunk}${i}`);
    // 131 MB came.
    expect(memoryHeld() - before).toBeLessThan(20_000_000);
    const ids: unknown[] = [];
    parser.on("element", (element: Element) => ids.push(element.attrs["id"]));
    parser.write(`'/></iq><iq id='next'/>`);
    expect(ids).toEqual([undefined, "next"]);
  });

  it("ends the stream over a stanza that is not over at sixteen times the bound", () => {
    const limits = { maxStanzaChars: 100, maxDepth: 5, maxElements: 12, beyond: "strip" } as const;
    const long = "x".repeat(1_500);
    expect(parse([HEADER, "<iq id='1'><q>", long, "</q></iq>"], limits)).toEqual([`<iq id="1"/>`]);
    expect(() => parse([HEADER, "<iq id='1'><q>", long, long], limits)).toThrow("does not end");
  });

  it("takes time in proportion to the text, unlike xmpp.js's parser", () => {
    const text = `<s><m><b>${"x".repeat(1 << 20)}</b></m>`;
    const limits = { maxStanzaChars: 8 << 20, maxDepth: 10, maxElements: 1_000 };
    // The best of five each: others use the processor too.
    const best = (make: () => { write(text: string): void }): number =>
      Math.min(...Array.from({ length: 5 }, () => feed(make(), text, 1 << 14)));
    expect(best(() => new StreamParser(limits))).toBeLessThan(best(() => new Parser()) / 4);
  }, 20_000);

  it("throws nothing but ParseError, whatever comes", () => {
    const text = `${HEADER}${stanza}<iq type='get'/>`;
    let seed = 1;
    const random = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
    const noise = "<>/&;\"'= !?[]-x#\u0000é";
    for (let round = 0; round < 3_000; round++) {
      let mutated = text;
      for (let edits = 1 + random(4); edits > 0; edits--) {
        const at = random(mutated.length);
        mutated = mutated.slice(0, at) + (noise[random(noise.length)] ?? "") + mutated.slice(at + random(3));
      }
      try {
        parse([mutated.slice(0, 40), mutated.slice(40)]);
      } catch (error) {
        expect(error).toBeInstanceOf(ParseError);
      }
    }
  });
});
