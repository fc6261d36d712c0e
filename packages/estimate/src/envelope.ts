/** Who sends and who takes, as short as is usual: each character travels in every stanza. */
const HEAD = "from='streams.example.org' to='bob@example.org/phone' type='headline'";
const MESSAGE = "<message";

/** A block of In-Band Bytestreams (XEP-0047 §2.2); `seq` wraps after 65535. */
export function formatDataStanza(base64: string, seq: number): string {
  return `${MESSAGE} ${HEAD}><data xmlns='http://jabber.org/protocol/ibb' sid='a' seq='${seq & 0xffff}'>${base64}</data></message>`;
}

/** JSON as people send it, at its best: no id, no whitespace, nothing escaped that XML leaves alone. */
export function formatJsonStanza(json: string): string {
  return `${MESSAGE} ${HEAD}><body>${escapeLeast(json)}</body></message>`;
}

/** Outside of a stream each stanza names its namespace itself (RFC 7395 §3.3.3, XEP-0206 §2). */
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

/** What stands between the innermost tags: neither base64 nor escaped text has a `<`. */
export function readPayload(stanza: string): string {
  const end = stanza.lastIndexOf("</", stanza.length - "</message>".length - 1);
  const tag = stanza.lastIndexOf("<", end - 1);
  return stanza.slice(stanza.indexOf(">", tag) + 1, end);
}

/** Of what `formatJsonStanza` escapes. */
export function unescapeText(text: string): string {
  return text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}
