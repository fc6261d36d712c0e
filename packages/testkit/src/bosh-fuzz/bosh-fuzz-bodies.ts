import { NS, type XmppErrorCode } from "@stanzapack/xmpp";
import type { Random } from "../base/random.js";

/** What an answer must come to, as the one who made it knows. */
export type Verdict =
  /** The session goes on, or ends as `end` says; first these stanzas are delivered. */
  | { readonly kind: "taken"; readonly texts: readonly string[]; readonly end?: XmppErrorCode }
  /** The session ends at once, whatever older answers are still missing. */
  | { readonly kind: "refused"; readonly code: XmppErrorCode }
  /** The same request must come again. */
  | { readonly kind: "again" };

/** One answer, and what is right. */
export interface FuzzAnswer {
  readonly status: number;
  readonly body: Buffer;
  /** The connection is cut in its place. */
  readonly cut: boolean;
  readonly verdict: Verdict;
}

const HEAD = `xmlns='${NS.HTTP_BIND}' xmlns:stream='${NS.STREAM}'`;

/** XEP-0124 §17.2. */
const CONDITIONS: readonly (readonly [string, XmppErrorCode])[] = [
  ["bad-request", "protocol"],
  ["host-gone", "unreachable"],
  ["host-unknown", "unreachable"],
  ["improper-addressing", "unreachable"],
  ["internal-server-error", "disconnected"],
  ["item-not-found", "disconnected"],
  ["other-request", "disconnected"],
  ["policy-violation", "protocol"],
  ["remote-connection-failed", "disconnected"],
  ["remote-stream-error", "disconnected"],
  ["see-other-uri", "disconnected"],
  ["system-shutdown", "disconnected"],
  ["undefined-condition", "disconnected"],
  ["", "disconnected"],
  ["&lt;&#x1F600;", "disconnected"],
  ["x".repeat(2_000), "disconnected"],
  ["__proto__", "disconnected"],
  ["constructor", "disconnected"],
];

/** RFC 6120 §4.9.3. */
const STREAM_ERRORS: readonly (readonly [string, XmppErrorCode])[] = [
  ["conflict", "conflict"],
  ["host-unknown", "unreachable"],
  ["not-authorized", "protocol"],
  ["policy-violation", "protocol"],
  ["restricted-xml", "protocol"],
  ["system-shutdown", "disconnected"],
  ["see-other-host", "disconnected"],
  ["toString", "disconnected"],
];

/** Final statuses; before there is a session all of them say that there is no service. */
const STATUSES: readonly (readonly [number, XmppErrorCode])[] = [
  [201, "unreachable"],
  [204, "unreachable"],
  [301, "unreachable"],
  [302, "unreachable"],
  [307, "unreachable"],
  [400, "protocol"],
  [401, "unreachable"],
  [403, "protocol"],
  [404, "disconnected"],
  [405, "unreachable"],
  [410, "unreachable"],
  [418, "unreachable"],
];
const MOMENTARY = [408, 425, 429, 500, 502, 503, 504, 599];

/** Numbers as nobody should write them, and as everybody may. */
export const NUMBERS = [
  undefined,
  "",
  "0",
  "1",
  "2",
  "5",
  "00007",
  "-1",
  "+3",
  "1.5",
  "1e3",
  "0x10",
  "NaN",
  "Infinity",
  " 4 ",
  "999999999",
  "9999999999",
  "9007199254740993",
  "\u0663",
  "true",
] as const;

/** Attributes that mean nothing to one who asked for nothing of the kind, or not here. */
const STRAY = [
  "sid",
  "rid",
  "ack",
  "report",
  "time",
  "wait",
  "requests",
  "inactivity",
  "polling",
  "hold",
  "maxpause",
  "key",
  "newkey",
  "from",
  "to",
  "authid",
  "charsets",
  "condition",
  "stream",
  "xml:lang",
  "xmlns:a",
];

export function strayAttributes(random: Random, not: readonly string[] = []): string {
  let text = "";
  const seen = new Set(not);
  for (let i = random.below(4); i > 0; i--) {
    const name = random.pick(STRAY);
    if (seen.has(name)) continue;
    seen.add(name);
    const quote = random.pick(["'", '"']);
    const value = name.startsWith("xml") ? "urn:x" : (random.pick(NUMBERS) ?? "&amp;&#65;");
    text += `${random.pick([" ", "  ", "\n", "\t"])}${name}${random.pick(["=", " = "])}${quote}${value}${quote}`;
  }
  return text;
}

/** Elements that no session of ours has a use for: passed over. */
const IGNORED = [
  "<x xmlns='urn:x'/>",
  "<message xmlns='urn:x'><body>not a stanza</body></message>",
  `<body xmlns='${NS.HTTP_BIND}'/>`,
  `<body xmlns='${NS.HTTP_BIND}' type='terminate' condition='item-not-found'><message xmlns='jabber:client'/></body>`,
  `<stream:stream xmlns:stream='${NS.STREAM}'/>`,
  "<a:b xmlns:a='urn:a' a:c='1'/>",
  "<r xmlns='urn:y'>&amp;&lt;&#x263A;<![CDATA[<>]]></r>",
  "<constructor xmlns=''/>",
  "\n  \t",
];

/** Content that ends the stream, right where it stands. */
const BROKEN = [
  "<message><body>&bogus;</body></message>",
  "<message><body>&#0;</body></message>",
  "<!DOCTYPE a [<!ENTITY b 'c'>]>",
  "<!-- x -->",
  "<?php x ?>",
  "<message></presence>",
  "</message>",
  "<message a='1' a='2'/>",
  "<message a=1/>",
  "<message a='<'/>",
  "<1y/>",
  "<message><x:y:z/></message>",
  "<message><body>]]></body></message>",
  "<message xmlns:x=''/>",
  "text",
  "<>",
  "< a/>",
  "<![CDATA[x]]>",
  "</body><body>",
  "<a>".repeat(200),
];

/** Without an end: the same, though only the answer's end shows it. */
const TRUNCATED = ["<message><body>x", "<message", "<message a='", "<message><![CDATA[x", "<", "<!", "<!["];

/** Makes stanzas whose texts are all different. */
export type NextText = () => string;

/** Content of one to several pieces; gives what is delivered of it before it ends, if it does. */
function makeContent(
  random: Random,
  nextText: NextText,
): { readonly xml: string; readonly texts: string[]; readonly end?: XmppErrorCode } {
  let xml = "";
  const texts: string[] = [];
  for (let i = random.below(5); i > 0; i--) {
    const dice = random.below(1_000);
    if (dice < 800) {
      const text = nextText();
      const namespace = random.pick([" xmlns='jabber:client'", ' xmlns = "jabber:client"', ""]);
      const type = random.pick(["", " type='headline'", " type='error'", " type='nonsense'"]);
      const more = random.pick(["", "<x xmlns='urn:x'><body>no</body></x>", "\n", "<a:b xmlns:a='urn:a'/>"]);
      xml += `<message${namespace}${type} from='eve@example.test/r'>${more}<body>${text}</body></message>`;
      texts.push(text);
    } else if (dice < 975) {
      xml += random.pick(IGNORED);
    } else if (dice < 980) {
      // Found before anything of the answer is read.
      return {
        xml: `${xml}<message>${random.pick(["\0", "\u0001", "\uffff"])}</message>`,
        texts: [],
        end: "protocol",
      };
    } else if (dice < 985) {
      const [condition, end] = random.pick(STREAM_ERRORS);
      const rest = random.pick(["", "<message><body>behind the end</body></message>"]);
      const error = `<stream:error><${condition} xmlns='${NS.STREAM_ERRORS}'/></stream:error>`;
      return { xml: xml + error + rest, texts, end };
    } else if (dice < 990) {
      return { xml: xml + random.pick(TRUNCATED), texts, end: "protocol" };
    } else if (dice < 993) {
      return { xml: `${xml}<close xmlns='${NS.FRAMING}'/>`, texts, end: "disconnected" };
    } else {
      return { xml: xml + random.pick(BROKEN), texts, end: "protocol" };
    }
  }
  return { xml, texts };
}

/** A body around content, as some manager or proxy might write it. */
function wrap(random: Random, attributes: string, xml: string): string {
  const declaration = random.chance(5) ? "<?xml version='1.0' encoding='utf-8'?>\n" : "";
  const space = random.chance(5) ? " \r\n" : "";
  const head = `<body ${HEAD}${attributes}`;
  return xml === "" && random.chance(50)
    ? `${declaration}${head}/>${space}`
    : `${declaration}${head}>${xml}</body>${space}`;
}

const textAnswer = (text: string, verdict: Verdict): FuzzAnswer => ({
  status: 200,
  body: Buffer.from(text),
  cut: false,
  verdict,
});

const REFUSED: Verdict = { kind: "refused", code: "protocol" };

/** What is no body of XEP-0124's. */
function makeNonsense(random: Random, good: string): FuzzAnswer {
  const bytes = Buffer.from(good);
  const dice = random.below(12);
  if (dice === 0) {
    // Invalid wherever it stands.
    const at = random.below(bytes.length + 1);
    const body = Buffer.concat([bytes.subarray(0, at), Buffer.from([0xff]), bytes.subarray(at)]);
    return { status: 200, body, cut: false, verdict: REFUSED };
  }
  if (dice === 1) {
    const text = good.trimEnd();
    return textAnswer(text.slice(0, random.below(text.length)), REFUSED);
  }
  return textAnswer(
    random.pick([
      "",
      " ",
      "<html><body>It works!</body></html>",
      `{"body":"${NS.HTTP_BIND}"}`,
      "<body/>",
      "<body xmlns='jabber:client'/>",
      "<body xmlns='urn:x' type='terminate'></body>",
      `<b xmlns='${NS.HTTP_BIND}'/>`,
      `<body xmlns='${NS.HTTP_BIND}' a='&bogus;'/>`,
      `<body xmlns='${NS.HTTP_BIND}' sid='1' sid='2'/>`,
      `<body xmlns='${NS.HTTP_BIND}' a='${"x".repeat(9_000)}'/>`,
      `<body xmlns='${NS.HTTP_BIND}'/><body xmlns='${NS.HTTP_BIND}'/>`,
      `<body xmlns='${NS.HTTP_BIND}'/>text`,
      `<!DOCTYPE body [<!ENTITY a "b">]><body xmlns='${NS.HTTP_BIND}'>&a;</body>`,
      `<!-- x --><body xmlns='${NS.HTTP_BIND}'/>`,
      `<?x y?><body xmlns='${NS.HTTP_BIND}'/>`,
      `<stream:stream xmlns='jabber:client' xmlns:stream='${NS.STREAM}'>`,
    ]),
    REFUSED,
  );
}

/** What a session is like for the one who answers it. */
export interface SessionFacts {
  /** There is one: its creation has been answered. */
  readonly begun: boolean;
  /** Faults are fought at all. */
  readonly patient: boolean;
}

/** What ends the session, or has the request sent again. */
export function makeFault(random: Random, facts: SessionFacts, good: string): FuzzAnswer {
  const dice = random.below(100);
  const retried: Verdict =
    facts.begun && facts.patient ? { kind: "again" } : { kind: "refused", code: "disconnected" };
  if (dice < 30) {
    const status = random.pick(MOMENTARY);
    const verdict: Verdict = facts.begun ? retried : { kind: "refused", code: "unreachable" };
    return { ...textAnswer("<html>busy</html>", verdict), status };
  }
  if (dice < 45) return { ...textAnswer("", retried), cut: true };
  if (dice < 60) return textAnswer(wrap(random, " type='error'", ""), retried);
  if (dice < 70) {
    const [status, code] = random.pick(STATUSES);
    const verdict: Verdict = { kind: "refused", code: facts.begun ? code : "unreachable" };
    return { ...textAnswer(status === 204 ? "" : "<html/>", verdict), status };
  }
  if (dice < 85) return makeNonsense(random, good);
  const [condition, end] = random.chance(20)
    ? ([undefined, "disconnected"] as const)
    : random.pick(CONDITIONS);
  const attributes = ` type='terminate'${condition === undefined ? "" : ` condition='${condition}'`}`;
  return textAnswer(wrap(random, attributes, ""), { kind: "taken", texts: [], end });
}

/** An answer to an established session's request. */
export function makeAnswer(random: Random, facts: SessionFacts, nextText: NextText): FuzzAnswer {
  if (random.chance(12)) return makeFault(random, facts, wrap(random, "", "<message/>"));
  const { xml, texts, end } = makeContent(random, nextText);
  // Last words may come with the end.
  const terminates = end === undefined && random.chance(2);
  const attributes = strayAttributes(random) + (terminates ? " type='terminate'" : "");
  const verdict: Verdict = {
    kind: "taken",
    texts,
    ...(terminates ? { end: "disconnected" } : end && { end }),
  };
  return textAnswer(wrap(random, attributes, xml), verdict);
}
