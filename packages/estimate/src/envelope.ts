import { formatLeanId, type OutBlock } from "@stanzapack/xmpp";

const MESSAGE = "<message";

/** Parts of every stanza of a link. Each of their characters costs bytes. */
export interface Envelope {
  /** The component's domain. */
  readonly from: string;
  /** The subscriber's full JID. */
  readonly to: string;
  /** `sid` of the bytestream (XEP-0047 §2.1). Those of the SDK have four characters. */
  readonly sid: string;
  /** `xml:lang`, which Prosody adds to every stanza and ejabberd does not. */
  readonly lang?: string | undefined;
}

/** Addresses of a usual short length, and the shortest `sid`. The benchmarks of the codec use this envelope. */
export const SHORTEST_ENVELOPE: Envelope = {
  ...{ from: "streams.example.org", to: "bob@example.org/phone", sid: "a" },
};
/** The same with a `sid` as the SDK makes it. */
export const LINK_ENVELOPE: Envelope = { ...SHORTEST_ENVELOPE, sid: "k3Zq" };

/** Tag of lean stanzas. Every tag is one character. */
const LINK_TAG = 36;

/** XEP-0198 §4: the server asks for an acknowledgement after each stanza, in a write of its own. */
export const ACK_REQUEST = "<r xmlns='urn:xmpp:sm:3'/>";

/** A block of In-Band Bytestreams (XEP-0047 §2.2); `seq` wraps after 65535. */
export function formatDataStanza(base64: string, seq: number, envelope = SHORTEST_ENVELOPE): string {
  return `${formatStart(envelope)}<data xmlns='http://jabber.org/protocol/ibb' sid='${envelope.sid}' seq='${seq & 0xffff}'>${base64}</data></message>`;
}

/** Returns a block as a lean stanza; undefined for a block that is too large for one. */
export function formatLeanStanza(
  block: OutBlock,
  seq: number,
  envelope = SHORTEST_ENVELOPE,
): string | undefined {
  const id = formatLeanId(block, LINK_TAG, seq);
  return id === undefined ? undefined : `${formatStart(envelope).slice(0, -1)} id='${id}'/>`;
}

/** Returns the id of a lean stanza. */
export function readId(stanza: string): string {
  return stanza.slice(stanza.lastIndexOf(" id='") + " id='".length, -"'/>".length);
}

/** Returns JSON as people send it, at its best: no id, no whitespace, and no escape that XML does not need. */
export function formatJsonStanza(json: string, envelope = SHORTEST_ENVELOPE): string {
  return `${formatStart(envelope)}<body>${escapeLeast(json)}</body></message>`;
}

function formatStart({ from, to, lang }: Envelope): string {
  return `${MESSAGE}${lang === undefined ? "" : ` xml:lang='${lang}'`} from='${from}' to='${to}' type='headline'>`;
}

/** Adds the namespace to a stanza. Outside of a stream each stanza needs it (RFC 7395 §3.3.3, XEP-0206 §2). */
export function namespaced(stanza: string): string {
  return `${MESSAGE} xmlns='jabber:client'${stanza.slice(MESSAGE.length)}`;
}

/** XEP-0124 §4: one answer with one stanza, as ejabberd writes it. */
export function formatBoshAnswer(stanza: string): string {
  return `<body xmlns='http://jabber.org/protocol/httpbind'>${namespaced(stanza)}</body>`;
}

// XML 1.0 §2.4: `>` alone may stay.
function escapeLeast(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll("]]>", "]]&gt;");
}

/** Returns the text between the innermost tags. Neither base64 nor escaped text contains a `<`. */
export function readPayload(stanza: string): string {
  const end = stanza.lastIndexOf("</", stanza.length - "</message>".length - 1);
  const tag = stanza.lastIndexOf("<", end - 1);
  return stanza.slice(stanza.indexOf(">", tag) + 1, end);
}

/** Reverses the escapes of `formatJsonStanza`. */
export function unescapeText(text: string): string {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}
