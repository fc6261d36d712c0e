export { decodedLength } from "./base64-length.js";
export { decodeBase64, encodeBase64 } from "./base64.node.js";
export { createByteMeter } from "./byte-meter.js";
export type { ByteCount, ByteMeter, ByteSource, SourcedByteMeter } from "./byte-meter.js";
export { monotonicNow, wallAheadMs, wallNow } from "./clock.js";
export { createClientConnection } from "./client-connection.js";
export { createComponentConnection } from "./component-connection.node.js";
export type { BoshTiming } from "./bosh-courier.js";
export type { TransportKind } from "./transport.js";
export type {
  ClientConnectionOptions,
  ComponentConnectionOptions,
  ComponentTlsOptions,
  Connection,
  ConnectionEvents,
  ConnectionLimits,
  ConnectionState,
  ConnectionTimeouts,
  IqHandler,
  ReconnectPolicy,
  RequestOptions,
  StanzaHandler,
  StreamManagementPolicy,
} from "./connection.js";
export { beat, deadline } from "./hold-ups.js";
export { formatForm, parseForm, parseFormBoolean } from "./data-forms.js";
export type { DataForm, FormField } from "./data-forms.js";
export { StanzaError, XmppError } from "./errors.js";
export type { StanzaErrorType, XmppErrorCode } from "./errors.js";
export type {
  BlockInfo,
  Bytestream,
  BytestreamEnd,
  BytestreamOptions,
  BytestreamState,
  InBandBytestreams,
  OpenOptions,
  OpenRequest,
  OutBlock,
  SendPolicy,
} from "./in-band-bytestreams.js";
export { toAsciiDomain } from "./domain-name.js";
export {
  bareJid,
  jid,
  JID,
  prepareBareJid,
  prepareDomainName,
  preparedOrSame,
  prepareJid,
  prepareNode,
  prepareResource,
  printable,
} from "./jid.js";
export {
  formatLeanId,
  isProbe,
  leanBody,
  leanChars,
  MAX_LEAN_CHARS,
  MAX_OUTSTANDING,
  readLeanBlock,
  readLeanHeader,
  readLeanId,
  SHORT_PROBE_CHARS,
  type LeanBody,
} from "./lean-stanzas.js";
export * as NS from "./namespaces.js";
export { createStanzaBytestreams } from "./bytestreams.js";
export { createInBandBytestreams } from "./in-band-bytestreams.js";
export { SendWindow, type SendWindowPolicy } from "./send-window.js";
export { ownText } from "./own-text.js";
export { randomText } from "./random.js";
export { callSafely, rethrow } from "./rethrow.js";
export { backoffMs, sleep } from "./timing.js";
export { isLoopbackHost } from "./service-url.js";
export { formatStanzaError, parseStanzaError } from "./stanza-errors.js";
export { fitForXml } from "./xml-characters.js";
export { appendAll, childElements, Element, escapeAttribute, escapeText, xml } from "./xml.js";
// Last of all: modules that load CommonJS have begun with `require-begin.node.js`.
import "./require-end.node.js";
