import { describe, expect, it } from "vitest";
import { StanzaSplitter } from "./stanza-splitter.js";

const STREAM = "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' to='a'>";
const STANZAS = [
  "<handshake/>",
  "<message to='a>b' id=\"'/>\"/>",
  "<iq type='get'><ping xmlns='urn:xmpp:ping'/></iq>",
  "<message><body>a &lt; b > c</body><x><y>z</y></x></message>",
];

describe("StanzaSplitter", () => {
  it.each([1, 2, 7, 1_000])("cuts a stream that comes %i characters at a time", (size) => {
    const text = `${STREAM}${STANZAS.join("")}</stream:stream>`;
    const splitter = new StanzaSplitter();
    const pieces = [];
    for (let at = 0; at < text.length; at += size) pieces.push(...splitter.push(text.slice(at, at + size)));
    expect(pieces.filter(({ isStanza }) => isStanza).map((piece) => piece.text)).toEqual(STANZAS);
    expect(pieces.map((piece) => piece.text).join("")).toBe(text);
  });

  it("leaves white space between stanzas with what follows", () => {
    const splitter = new StanzaSplitter();
    splitter.push(STREAM);
    expect(splitter.push(" \n<a/> <b/>").map((piece) => piece.text)).toEqual([" \n<a/>", " <b/>"]);
  });
});
