import { NS, type XmppErrorCode } from "@stanzapack/xmpp";
import type { Random } from "../base/random.js";

/** The effect that an answer must have. The maker of the answer knows it. */
export type Verdict =
  /** The client delivers these stanzas. Then the session continues, or ends with the code `end`. */
  | { readonly kind: "taken"; readonly texts: readonly string[]; readonly end?: XmppErrorCode }
  /** The session ends at once, even if older answers are still missing. */
  | { readonly kind: "refused"; readonly code: XmppErrorCode }
  /** The client must send the same request again. */
  | { readonly kind: "again" };

/** One answer, and its correct effect. */
export interface FuzzAnswer {
  readonly status: number;
  readonly body: Buffer;
  /** The server cuts the connection instead of answering. */
  readonly cut: boolean;
  readonly verdict: Verdict;
}

const HEAD = `xmlns='${NS.HTTP_BIND}' xmlns:stream='${NS.STREAM}'`;

/** Conditions that end a session, XEP-0124 §17.2. */
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

/** Stream errors, RFC 6120 §4.9.3. */
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

/** Final HTTP statuses. Before a session exists, all of them mean that there is no service. */
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

/** Numbers that nobody should write, and numbers that anybody may write. */
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

/** Attributes without meaning: here, or for a client that did not ask for their feature. */
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

/** Elements that a session does not use. The client must ignore them. */
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

/** Content that ends the stream at the place where it stands. */
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

/** Incomplete content. It ends the stream too, but the client sees that only at the end of the answer. */
const TRUNCATED = ["<message><body>x", "<message", "<message a='", "<message><![CDATA[x", "<", "<!", "<!["];

/** Makes the text of a stanza. All texts differ. */
export type NextText = () => string;

/** Content of one or more pieces. `texts` are delivered before the content ends the stream, if it does. */
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
      // The client finds this character before it reads anything of the answer.
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

/** Puts content into a body, in the ways in which managers or proxies may write it. */
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

/** An answer that is not a body of XEP-0124. */
function makeNonsense(random: Random, good: string): FuzzAnswer {
  const bytes = Buffer.from(good);
  const dice = random.below(12);
  if (dice === 0) {
    // Invalid UTF-8 at every place.
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

/** State of a session, for the maker of its answers. */
export interface SessionFacts {
  /** Whether the session exists: its creation is answered. */
  readonly begun: boolean;
  /** Whether the client retries after faults. */
  readonly patient: boolean;
}

/** An answer that ends the session, or makes the client send the request again. */
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

/** An answer to a request of an established session. */
export function makeAnswer(random: Random, facts: SessionFacts, nextText: NextText): FuzzAnswer {
  if (random.chance(12)) return makeFault(random, facts, wrap(random, "", "<message/>"));
  const { xml, texts, end } = makeContent(random, nextText);
  // The last stanzas may be in the same answer as the end.
  const terminates = end === undefined && random.chance(2);
  const attributes = strayAttributes(random) + (terminates ? " type='terminate'" : "");
  const verdict: Verdict = {
    kind: "taken",
    texts,
    ...(terminates ? { end: "disconnected" } : end && { end }),
  };
  return textAnswer(wrap(random, attributes, xml), verdict);
}
