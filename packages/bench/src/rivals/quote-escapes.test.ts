import { xml } from "@stanzapack/xmpp";
import { describe, expect, test } from "vitest";
import { QuoteEscapes, shortestLength } from "./quote-escapes.js";

const message = (body: string): ReturnType<typeof xml> =>
  xml(
    "message",
    { from: "basic.localhost/m", to: "u@localhost/abcd", type: "headline" },
    xml("body", {}, body),
  );

/** Text as servers may write it: every character that may be escaped is escaped. */
const verbose = (text: string): string =>
  text.replace(/[&<>"']/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c] ?? "&apos;");

const written = (body: string): string =>
  `<message from='basic.localhost/m' to='u@localhost/abcd' type='headline'><body>${body}</body></message>`;

describe("QuoteEscapes", () => {
  test("finds that a server writes &quot;, and what that costs", () => {
    const escapes = new QuoteEscapes();
    const body = '{"a":1,"b":"<x&y"}';
    expect(escapes.observe(message(body), written(verbose(body)).length)).toBe(6);
    expect(escapes.found).toBe(true);
    expect(escapes.bytesFor(6)).toBe(30);
  });

  test("finds that a server leaves quotes alone", () => {
    const escapes = new QuoteEscapes();
    escapes.observe(message('{"a":1}'), written('{"a":1}').length);
    expect(escapes.found).toBe(false);
    expect(escapes.bytesFor(2)).toBe(0);
  });

  test("does not judge by a stanza in which other characters may have been lengthened, nor by one without quotes", () => {
    const escapes = new QuoteEscapes();
    escapes.observe(message(`"it's"`), written(verbose(`"it's"`)).length);
    escapes.observe(message("21.5"), written("21.5").length);
    expect(escapes.found).toBeUndefined();
    expect(escapes.bytesFor(2)).toBe(0);
  });

  test("shortestLength is the length of the shortest rendering", () => {
    expect(shortestLength(message("a<b&c"))).toBe(written("a&lt;b&amp;c").length);
    expect(shortestLength(xml("presence", { type: "x" }))).toBe("<presence type='x'/>".length);
  });
});
