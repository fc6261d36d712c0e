import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toAsciiDomain } from "./domain-name.js";
import { jid, prepareBareJid, prepareJid, prepareNode, prepareResource } from "./jid.js";

describe("an address is prepared as Prosody and ejabberd do", () => {
  it.each([
    ["USER0@localhost/Temp", "user0@localhost/Temp"],
    ["alice@LOCALHOST", "alice@localhost"],
    ["Localhost", "localhost"],
    // Local parts and domains are folded (RFC 3454 Table B.2). The dotless i is a letter of its own.
    ["straße@straße.example", "strasse@strasse.example"],
    ["ſam@x", "sam@x"],
    ["Σας@x", "σασ@x"],
    ["İlker@x", "i\u0307lker@x"],
    ["ılker@x", "ılker@x"],
    ["ǅura@x", "ǆura@x".normalize("NFKC")],
    // NFKC replaces other forms of letters. It does so in resources too, which are not folded.
    ["Ａlice@x", "alice@x"],
    ["e\u0301@x/e\u0301ﬁ½Σ", "é@x/éfi1⁄2Σ"],
    // Invisible characters are removed (Table B.1).
    ["a\u00ADl\u200Bice@x", "alice@x"],
    // Letters whose other case, or decomposition, is newer than Unicode 3.2 stay.
    ["\u10A0\u13A0\u04C0\u1D2C@x", "\u10A0\u13A0\u04C0\u1D2C@x"],
    // Both servers keep the decompositions of 3.2. ejabberd refuses code points that 3.2 had not assigned.
    ["\u{2F868}@x", "\u{2136A}@x"],
    ["😀@x/😀", "😀@x/😀"],
    ["שלום@x", "שלום@x"],
    // The domain is a host name: a dot at the end is removed, and any dot of IDNA separates labels.
    ["a@example.org.", "a@example.org"],
    ["a@München。example．org", "a@münchen.example.org"],
    ["a@xn--mnchen-3ya.example", "a@xn--mnchen-3ya.example"],
    ["a@[::FFFF]/r", "a@[::ffff]/r"],
    ["a@127.0.0.1", "a@127.0.0.1"],
    ["a@my_host-1", "a@my_host-1"],
    // Everything after the first slash is the resource.
    ["a/b@c", "a/b@c"],
    ["a@b/c/d@e ", "a@b/c/d@e "],
    // XEP-0106, with its examples.
    ["d'artagnan@musketeers.lit", "d\\27artagnan@musketeers.lit"],
    ["D\\27Artagnan@musketeers.lit", "d\\27artagnan@musketeers.lit"],
    ["space cadet@example.com", "space\\20cadet@example.com"],
    ["c:\\cool stuff@example.com", "c\\3a\\cool\\20stuff@example.com"],
    ["c:\\5commas@example.com", "c\\3a\\5c5commas@example.com"],
    ["a\\b@x", "a\\b@x"],
    ["a\\5cb@x", "a\\5cb@x"],
  ])("%s is %s", (text, prepared) => {
    expect(prepareJid(text)).toBe(prepared);
    // An address as a server spells it does not change.
    expect(prepareJid(prepared)).toBe(prepared);
    expect(jid(prepared).toString()).toBe(prepared);
  });

  it.each([
    ["", "domain is empty"],
    ["@x", "part before `@` is empty"],
    ["a@", "domain is empty"],
    ["a@.", "not a host name"],
    ["a@x..", "not a host name"],
    ["a@x..y", "not a host name"],
    ["a@b@c", "not a host name"],
    ["a@b c", "not a host name"],
    ["a@b%c", "not a host name"],
    ["a@b'c", "not a host name"],
    ["a@x:5222", "not a host name"],
    ["a@[::1", "not a host name"],
    ["a@x/", "resource is empty"],
    ["\u00AD@x", "part before `@` is empty"],
    [" a@x", "begins or ends with a space"],
    ["a @x", "begins or ends with a space"],
    ["a\u0002b@x", "U+0002"],
    ["a@x\u0002", "not a host name"],
    ["a@x/\u0002", "resource has the character U+0002"],
    ["a@x/\uFFFE", "U+FFFE"],
    ["a@x/\uD800", "U+D800"],
    ["a\u00A0b@x", "U+0020"],
    ["a＠b@x", "@ (U+0040)"],
    ["a\u202Eb@x", "U+202E"],
    ["a@ex\u2028ample", "U+2028"],
    ["\uE000@x", "U+E000"],
    ["שלוםa@x", "mixes directions"],
    ["1שלום@x", "mixes directions"],
  ])("%j is none: %s", (text, fault) => {
    expect(() => prepareJid(text)).toThrow(TypeError);
    expect(() => prepareJid(text)).toThrow(fault);
    // XML carries the texts of errors too.
    expect(() => prepareJid(text)).toThrow(/^[ -~\u00A1-\u{10FFFF}]{1,300}$/u);
    expect(() => prepareJid(text)).not.toThrow(/\p{C}/u);
  });

  it("has parts of up to 1,023 bytes", () => {
    const longest = `${"a".repeat(1_023)}@${"b.".repeat(511)}c/${"ü".repeat(511)}`;
    expect(prepareJid(longest)).toBe(longest);
    // U+FDFA is one letter, and 33 bytes when prepared.
    for (const text of [`${"a".repeat(1_024)}@x`, `a@x/${"ü".repeat(512)}`, `a@x/${"\uFDFA".repeat(40)}`])
      expect(() => prepareJid(text)).toThrow("longer than 1023 bytes");
  });

  it("prepared twice is as prepared once, and the quick way is no other way", () => {
    const char = fc.oneof(
      fc.constantFrom(..."aZ09@/\\ '\"&:<>.-_[]ßſİı\u00AD\u0301\u0345Σςﬁ。א".split(""), "\\20", "\\5c"),
      fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
    );
    const outcome = (act: () => string): string => {
      try {
        return act();
      } catch (error) {
        return (error as Error).message;
      }
    };
    fc.assert(
      fc.property(fc.array(char, { maxLength: 12 }), (chars) => {
        const text = chars.join("");
        const once = outcome(() => jid(text).toString());
        expect(outcome(() => prepareJid(text))).toBe(once);
        if (!once.includes("is not a JID")) expect(prepareJid(once)).toBe(once);
      }),
      { numRuns: 1_500 },
    );
  });
});

it("prepares the owner of a node, whatever its name is", () => {
  expect(prepareNode("D'Artagnan@LOCALHOST/Temp")).toBe("d\\27artagnan@localhost/Temp");
  expect(prepareNode("ALICE@x/*")).toBe("alice@x/*");
  expect(prepareNode("X/T*")).toBe("x/T*");
  for (const text of ["", "temp", "/temp", "a@b/c/d", "a b@c d/e"])
    expect(() => prepareNode(text), text).toThrow(TypeError);
});

it("prepares resources, and bare JIDs of full ones", () => {
  expect(prepareResource("Desk ﬁ/1")).toBe("Desk fi/1");
  for (const text of ["", "\0", "\u0002"]) expect(() => prepareResource(text)).toThrow(TypeError);
  expect(prepareBareJid("ALICE@x/Desk")).toBe("alice@x");
});

it("writes a domain for DNS, TLS and URLs in ASCII", () => {
  const ascii = (text: string): string => toAsciiDomain(jid(text).domain);
  expect(ascii("München.Example")).toBe("xn--mnchen-3ya.example");
  expect(ascii("xn--mnchen-3ya.example")).toBe("xn--mnchen-3ya.example");
  // IDNA 2003 and IDNA 2008 agree, since Nameprep comes first.
  expect(ascii("straße.example")).toBe("strasse.example");
  expect(ascii("例え。テスト")).toBe("xn--r8jz45g.xn--zckzah");
  expect(ascii("my_host")).toBe("my_host");
  expect(ascii("[::1]")).toBe("::1");
  expect(() => ascii("münchen.1")).toThrow(TypeError);
});
