import { expect, it } from "vitest";
import { StanzaScanner, type ScannedStanza } from "./stanza-scanner.js";

const STREAM =
  `<?xml version='1.0'?><stream:stream to="c.test" xmlns="jabber:component:accept">` +
  `<handshake>2692ef</handshake>` +
  `<message from='c.test' to='a@b/1' type='headline'><data xmlns='http://jabber.org/protocol/ibb' sid='0abc' seq='65535'>kxIA</data></message>` +
  `<iq type="result" to="a@b/1" from="c.test" id="q1"/>` +
  `<iq type="error" to="a@b/2" from="c.test" id="q2"><error type="wait"><iq-like/></error></iq>` +
  `<message from="c.test" to="c.test" id="echo1" type="headline"><echo xmlns="urn:stanzapack:0"/></message>` +
  `<message from='c.test' to='a@b/1' type='headline' id='Txyz'/>` +
  `</stream:stream>`;

it.each([1, 2, 3, 7, 50, 10_000])("cuts a component's stream that comes %i characters at a time", (size) => {
  const seen: (ScannedStanza | string)[] = [];
  const scanner = new StanzaScanner(
    (stanza) => seen.push(stanza),
    (control) => seen.push(control),
  );
  for (let at = 0; at < STREAM.length; at += size) scanner.write(STREAM.slice(at, at + size));
  expect(seen).toMatchObject([
    "open",
    "handshake",
    {
      ...{ name: "message", type: "headline", to: "a@b/1", id: "" },
      data: { sid: "0abc", seq: 65_535, base64: "kxIA" },
    },
    { name: "iq", type: "result", to: "a@b/1", id: "q1", data: undefined },
    { name: "iq", type: "error", to: "a@b/2", id: "q2" },
    { name: "message", to: "c.test", id: "echo1" },
    { name: "message", to: "a@b/1", id: "Txyz", data: undefined },
    "close",
  ]);
  expect((seen[5] as ScannedStanza).text).toMatch(/^<message .*<echo .*<\/message>$/);
});
