import { Parser } from "@xmpp/xml";
import { describe, expect, it } from "vitest";
import { ParseError } from "./parse-error.js";
import { StreamParser } from "./stream-parser.js";
import { memoryHeld } from "../testing/memory.js";
import { processorMsOf } from "../testing/processor-time.js";
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
  return processorMsOf(() => {
    for (let pos = 0; pos < text.length; pos += size) parser.write(text.slice(pos, pos + size));
  });
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
    // XML 1.0 §2.3, §2.4, §3.1; Namespaces in XML 1.0 §3, §4, §6.3
    ["a name that begins with a digit", "<1m/>", "not-well-formed"],
    ["a name that begins with a hyphen", "<-m/>", "not-well-formed"],
    ["a name with two colons", "<a:b:c/>", "not-well-formed"],
    ["a name that ends in a colon", "<s:/>", "not-well-formed"],
    ["a local name that begins with a digit", "<s:1/>", "not-well-formed"],
    ["a name with a character that names do not have", "<a$/>", "not-well-formed"],
    ["an attribute whose name begins with a digit", "<a 1b='1'/>", "not-well-formed"],
    ["an attribute whose name has two colons", "<a s:b:c='1'/>", "not-well-formed"],
    ["an attribute named __proto__ given twice", "<a __proto__='1' __proto__='2'/>", "not-well-formed"],
    ["']]>' in a text", "<a>x]]>y</a>", "not-well-formed"],
    ["'<' in an attribute", "<a b='<'/>", "not-well-formed"],
    ["a control character as an entity", "<a>&#2;</a>", "not-well-formed"],
    ["half a pair as an entity", "<a>&#xD800;</a>", "not-well-formed"],
    ["U+FFFE as an entity in an attribute", "<a b='&#xFFFE;'/>", "not-well-formed"],
    ["an entity beyond Unicode", "<a>&#x110000;</a>", "not-well-formed"],
    ["an entity without a semicolon", "<a>&amp</a>", "not-well-formed"],
    ["a space that is none of XML's in a closing tag", "<a></a\u00a0>", "not-well-formed"],
    ["an attribute in a closing tag", "<a></a b='1'>", "not-well-formed"],
    ["one attribute under two prefixes", "<a xmlns:x='u' xmlns:y='u' x:b='' y:b=''/>", "not-well-formed"],
    ["a prefix bound to nothing", "<a xmlns:x=''/>", "bad-namespace-prefix"],
    ["the prefix xml bound elsewhere", "<a xmlns:xml='u'/>", "bad-namespace-prefix"],
    ["the prefix xmlns declared", "<a xmlns:xmlns='u'/>", "bad-namespace-prefix"],
    ["an element with the prefix xmlns", "<xmlns:a/>", "bad-namespace-prefix"],
    ["an XML declaration in the middle", "<?xml version='1.0'?><a/>", "restricted-xml"],
    ["text in a CDATA section between stanzas", "<![CDATA[x]]><a/>", "not-well-formed"],
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

  it("reads what is well-formed, however odd", () => {
    const odd =
      "<é.-_1 __proto__='1' xml:lang='en' xmlns:xml='http://www.w3.org/XML/1998/namespace'>]] &gt;&#x0000000000000000041;</é.-_1\n>";
    expect(parse([HEADER, odd])).toHaveLength(1);
    expect(parse([HEADER, "<a xmlns:x='u' xmlns:y='v' x:b='' y:b='' b=''><x:a/></a>"])).toHaveLength(1);
    expect(parse(['<?xml version="1.0" encoding="UTF-8" standalone="yes" ?>\n<s><a/>'])).toEqual(["<a/>"]);
  });

  it.each([
    ["twice", "<?xml version='1.0'?><?xml version='1.0'?><s>", "restricted-xml"],
    ["without a version", "<?xml encoding='utf-8'?><s>", "not-well-formed"],
    ["without its end", "<?xml version='1.0'><s>", "not-well-formed"],
    ["of another encoding", "<?xml version='1.0' encoding='iso-8859-1'?><s>", "unsupported-encoding"],
  ])("refuses an XML declaration %s", (_, text, condition) => {
    expect(() => parse([text])).toThrow(expect.objectContaining({ condition }) as Error);
  });

  it("gives a stanza whose prefix nobody has declared without its content, so that no peer can end a stream", () => {
    const texts = ["<iq id='1'><q><x:a/>text</q></iq>", "<iq id='1'><q x:a='1'><r/></q></iq>"];
    for (const text of texts)
      for (let cut = 1; cut < text.length; cut++)
        expect(parse([HEADER, text.slice(0, cut), text.slice(cut), "<a/>"])).toEqual([
          '<iq id="1"/>',
          "<a/>",
        ]);
    expect(parse([HEADER, "<x:iq/><iq x:a='1'><q/></iq><a/>"])).toEqual(["<x:iq/>", '<iq x:a="1"/>', "<a/>"]);
    expect(() => parse(["<x:s>"])).toThrow(
      expect.objectContaining({ condition: "bad-namespace-prefix" }) as Error,
    );
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
    // The parser keeps nothing of a first tag once it knows that the tag is too long.
    expect(parse([HEADER, ...text], limits)).toEqual([...stripped, last]);
    expect(() => parse([`<s:s xmlns:s='${long}`], limits)).toThrow("longer than");
  });

  it("holds little of what it strips", () => {
    // The parser may skip 16 times as much.
    const limits = { maxStanzaChars: 9_000_000, maxDepth: 5, maxElements: 12, beyond: "strip" } as const;
    const parser = new StreamParser(limits);
    parser.write(`${HEADER}<iq><q a='`);
    const chunk = "x".repeat(65_536);
    const before = memoryHeld();
    for (let i = 0; i < 2_000; i++) parser.write(`${chunk}${i}`);
    // The parser has read 131 MB.
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
    // The best of five runs each.
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
