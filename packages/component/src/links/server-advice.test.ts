import { XmppError } from "@stanzapack/xmpp";
import { expect, test } from "vitest";
import { adviseOperator } from "./server-advice.js";

const AT = { domain: "streams.example.org", host: "xmpp.example.org", port: 5347 };
const failed = (code: string) => Object.assign(new Error(code), { code });

test.each([
  [
    new XmppError("unreachable", "no", { cause: failed("ECONNREFUSED") }),
    "listen for components on port 5347",
  ],
  [
    new XmppError("unreachable", "no", { cause: new AggregateError([failed("ECONNREFUSED")]) }),
    "Nothing listens there",
  ],
  [new XmppError("unreachable", "no", { cause: failed("ENOTFOUND") }), "no address for xmpp.example.org"],
  [new XmppError("unreachable", "no", { cause: failed("EHOSTUNREACH") }), "firewalls"],
  [new XmppError("unreachable", "no", { condition: "host-unknown" }), 'Component "streams.example.org"'],
  [new XmppError("protocol", "no", { condition: "invalid-namespace" }), "probably for clients"],
  [new XmppError("auth", "no", { condition: "not-authorized" }), "component.secretFile"],
  [new XmppError("conflict", "no", { condition: "conflict" }), "is connected already"],
  [new XmppError("timeout", "no"), "answered in XMPP"],
  [new XmppError("tls", "no"), "component.tls"],
  [new XmppError("protocol", "no", { condition: "invalid-xml" }), "broke the rules of XMPP"],
  [new XmppError("disconnected", "no"), "Look at the server's log"],
  // The name of a property that every object has is no condition of ours.
  [new XmppError("disconnected", "no", { condition: "constructor" }), "Look at the server's log"],
])("%s: the advice is in the operator's terms", (error, text) => {
  const advice = adviseOperator(error, AT);
  expect(advice).toContain(text);
  expect(advice).not.toContain("JID");
});
