/**
 * Every XML namespace used in this project's XMPP, in one place, imported as `NS`. Each is a constant of its own, so
 * that a bundle holds only those it uses.
 */

/** RFC 6120 §4.8.1 */
export const STREAM = "http://etherx.jabber.org/streams";
/** RFC 6120 §4.9.3 */
export const STREAM_ERRORS = "urn:ietf:params:xml:ns:xmpp-streams";
/** RFC 6120 §8.3.3 */
export const STANZA_ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas";
export const CLIENT = "jabber:client";
/** XEP-0114 */
export const COMPONENT = "jabber:component:accept";
/** RFC 6120 §5 */
export const TLS = "urn:ietf:params:xml:ns:xmpp-tls";
/** RFC 6120 §6 */
export const SASL = "urn:ietf:params:xml:ns:xmpp-sasl";
/** XEP-0388 */
export const SASL2 = "urn:xmpp:sasl:2";
/** XEP-0386 */
export const BIND2 = "urn:xmpp:bind:0";
/** Stanzapack's own elements and form fields. */
export const STANZAPACK = "urn:stanzapack:0";
/** A feature of Bind 2: the server makes a resource of few characters. `mod_stanzapack_sasl2` offers it. */
export const SHORT_RESOURCE = "urn:stanzapack:0#short-resource";
/** XEP-0484 */
export const FAST = "urn:xmpp:fast:0";
/** RFC 7395 §3.3.2 */
export const FRAMING = "urn:ietf:params:xml:ns:xmpp-framing";
/** RFC 6120 §7 */
export const BIND = "urn:ietf:params:xml:ns:xmpp-bind";
/** RFC 6121 §2 */
export const ROSTER = "jabber:iq:roster";
/** XEP-0004 */
export const DATA_FORMS = "jabber:x:data";
/** XEP-0012 */
export const LAST_ACTIVITY = "jabber:iq:last";
/** XEP-0030 */
export const DISCO_INFO = "http://jabber.org/protocol/disco#info";
export const DISCO_ITEMS = "http://jabber.org/protocol/disco#items";
/** XEP-0045 */
export const MUC = "http://jabber.org/protocol/muc";
/** XEP-0047 */
export const IBB = "http://jabber.org/protocol/ibb";
/** XEP-0050 */
export const COMMANDS = "http://jabber.org/protocol/commands";
/** XEP-0054 */
export const VCARD = "vcard-temp";
/** XEP-0059 */
export const RSM = "http://jabber.org/protocol/rsm";
/** XEP-0060 */
export const PUBSUB = "http://jabber.org/protocol/pubsub";
export const PUBSUB_OWNER = "http://jabber.org/protocol/pubsub#owner";
export const PUBSUB_EVENT = "http://jabber.org/protocol/pubsub#event";
export const PUBSUB_ERRORS = "http://jabber.org/protocol/pubsub#errors";
export const PUBSUB_NODE_CONFIG = "http://jabber.org/protocol/pubsub#node_config";
export const PUBSUB_SUBSCRIBE_OPTIONS = "http://jabber.org/protocol/pubsub#subscribe_options";
export const PUBSUB_SUBSCRIBE_AUTHORIZATION = "http://jabber.org/protocol/pubsub#subscribe_authorization";
export const PUBSUB_META_DATA = "http://jabber.org/protocol/pubsub#meta-data";
/** XEP-0091, which XEP-0203 replaced */
export const LEGACY_DELAY = "jabber:x:delay";
/** XEP-0092 */
export const VERSION = "jabber:iq:version";
/** XEP-0115 */
export const CAPS = "http://jabber.org/protocol/caps";
/** XEP-0124 */
export const HTTP_BIND = "http://jabber.org/protocol/httpbind";
/** XEP-0206 */
export const XBOSH = "urn:xmpp:xbosh";
/** XEP-0131 */
export const SHIM = "http://jabber.org/protocol/shim";
/** XEP-0138 */
export const COMPRESS = "http://jabber.org/protocol/compress";
export const COMPRESS_FEATURE = "http://jabber.org/features/compress";
/** XEP-0198 */
export const SM = "urn:xmpp:sm:3";
/** XEP-0199 */
export const PING = "urn:xmpp:ping";
/** XEP-0202 */
export const TIME = "urn:xmpp:time";
/** XEP-0203 */
export const DELAY = "urn:xmpp:delay";
/** XEP-0280 */
export const CARBONS = "urn:xmpp:carbons:2";
/** XEP-0334 */
export const HINTS = "urn:xmpp:hints";
/** XEP-0335 */
export const JSON = "urn:xmpp:json:0";
/** XEP-0352 */
export const CSI = "urn:xmpp:csi:0";
/** XEP-0359 */
export const STANZA_IDS = "urn:xmpp:sid:0";
/** XEP-0478 */
export const STREAM_LIMITS = "urn:xmpp:stream-limits:0";
