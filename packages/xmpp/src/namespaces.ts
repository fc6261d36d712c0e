/** Every XML namespace used in this project's XMPP, in one place. */
export const NS = {
  /** RFC 6120 §4.8.1 */
  STREAM: "http://etherx.jabber.org/streams",
  /** RFC 6120 §4.9.3 */
  STREAM_ERRORS: "urn:ietf:params:xml:ns:xmpp-streams",
  /** RFC 6120 §8.3.3 */
  STANZA_ERRORS: "urn:ietf:params:xml:ns:xmpp-stanzas",
  CLIENT: "jabber:client",
  /** XEP-0114 */
  COMPONENT: "jabber:component:accept",
  /** RFC 6120 §5 */
  TLS: "urn:ietf:params:xml:ns:xmpp-tls",
  /** RFC 6120 §6 */
  SASL: "urn:ietf:params:xml:ns:xmpp-sasl",
  /** XEP-0388 */
  SASL2: "urn:xmpp:sasl:2",
  /** XEP-0386 */
  BIND2: "urn:xmpp:bind:0",
  /** XEP-0484 */
  FAST: "urn:xmpp:fast:0",
  /** RFC 7395 §3.3.2 */
  FRAMING: "urn:ietf:params:xml:ns:xmpp-framing",
  /** RFC 6120 §7 */
  BIND: "urn:ietf:params:xml:ns:xmpp-bind",
  /** RFC 6121 §2 */
  ROSTER: "jabber:iq:roster",
  /** XEP-0004 */
  DATA_FORMS: "jabber:x:data",
  /** XEP-0030 */
  DISCO_INFO: "http://jabber.org/protocol/disco#info",
  DISCO_ITEMS: "http://jabber.org/protocol/disco#items",
  /** XEP-0047 */
  IBB: "http://jabber.org/protocol/ibb",
  /** XEP-0050 */
  COMMANDS: "http://jabber.org/protocol/commands",
  /** XEP-0059 */
  RSM: "http://jabber.org/protocol/rsm",
  /** XEP-0060 */
  PUBSUB: "http://jabber.org/protocol/pubsub",
  PUBSUB_OWNER: "http://jabber.org/protocol/pubsub#owner",
  PUBSUB_EVENT: "http://jabber.org/protocol/pubsub#event",
  PUBSUB_ERRORS: "http://jabber.org/protocol/pubsub#errors",
  PUBSUB_NODE_CONFIG: "http://jabber.org/protocol/pubsub#node_config",
  PUBSUB_SUBSCRIBE_OPTIONS: "http://jabber.org/protocol/pubsub#subscribe_options",
  PUBSUB_SUBSCRIBE_AUTHORIZATION: "http://jabber.org/protocol/pubsub#subscribe_authorization",
  PUBSUB_META_DATA: "http://jabber.org/protocol/pubsub#meta-data",
  /** XEP-0115 */
  CAPS: "http://jabber.org/protocol/caps",
  /** XEP-0124 */
  HTTP_BIND: "http://jabber.org/protocol/httpbind",
  /** XEP-0206 */
  XBOSH: "urn:xmpp:xbosh",
  /** XEP-0131 */
  SHIM: "http://jabber.org/protocol/shim",
  /** XEP-0138 */
  COMPRESS: "http://jabber.org/protocol/compress",
  COMPRESS_FEATURE: "http://jabber.org/features/compress",
  /** XEP-0198 */
  SM: "urn:xmpp:sm:3",
  /** XEP-0199 */
  PING: "urn:xmpp:ping",
  /** XEP-0203 */
  DELAY: "urn:xmpp:delay",
  /** XEP-0334 */
  HINTS: "urn:xmpp:hints",
  /** XEP-0335 */
  JSON: "urn:xmpp:json:0",
  /** XEP-0352 */
  CSI: "urn:xmpp:csi:0",
  /** XEP-0478 */
  STREAM_LIMITS: "urn:xmpp:stream-limits:0",
} as const;
