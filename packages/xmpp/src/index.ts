export { decodedLength } from "./base/base64-length.js";
export { decodeBase64, encodeBase64 } from "./base/base64.node.js";
export { createByteMeter } from "./transports/byte-meter.js";
export type { ByteCount, ByteMeter, ByteSource, SourcedByteMeter } from "./transports/byte-meter.js";
export { monotonicNow, wallAheadMs, wallNow } from "./base/clock.js";
export { createClientConnection } from "./connection/client-connection.js";
export { createComponentConnection } from "./connection/component-connection.node.js";
export type { BoshTiming } from "./bosh/bosh-courier.js";
export type { TransportKind } from "./transports/transport.js";
export type {
  ClientConnectionOptions,
  ComponentConnectionOptions,
  ComponentTlsOptions,
  Connection,
  ConnectionEvents,
  ConnectionLimits,
  ConnectionState,
  ConnectionTimeouts,
  StanzaHandler,
} from "./connection/connection.js";
export type { IqHandler } from "./stanzas/iq-handlers.js";
export type { ReconnectPolicy } from "./base/timing.js";
export type { RequestOptions } from "./stanzas/iq-requests.js";
export type { StreamManagementPolicy } from "./stream/stream-management.js";
export { beat, deadline } from "./base/hold-ups.js";
export { formatForm, parseForm, parseFormBoolean } from "./stanzas/data-forms.js";
export type { DataForm, FormField } from "./stanzas/data-forms.js";
export { StanzaError, XmppError } from "./base/errors.js";
export type { StanzaErrorType, XmppErrorCode } from "./base/errors.js";
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
} from "./bytestreams/in-band-bytestreams.js";
export { toAsciiDomain } from "./addresses/domain-name.js";
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
} from "./addresses/jid.js";
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
  type LeanHeader,
} from "./bytestreams/lean-stanzas.js";
export * as NS from "./base/namespaces.js";
export { createStanzaBytestreams } from "./bytestreams/bytestreams.js";
export { createInBandBytestreams } from "./bytestreams/in-band-bytestreams.js";
export { SendWindow, type SendWindowPolicy } from "./stream/send-window.js";
export { ownText } from "./base/own-text.js";
export { randomText } from "./base/random.js";
export { callSafely, rethrow } from "./base/rethrow.js";
export { backoffMs, sleep } from "./base/timing.js";
export { parseJrd, parseXrd } from "./discovery/host-meta.js";
export { resolveDomain, type ResolveOptions } from "./discovery/resolve.node.js";
export { isLoopbackHost, parseServiceUrl, toTarget } from "./transports/service-url.js";
export type { Service, Target } from "./transports/service-url.js";
export { formatStanzaError, parseStanzaError } from "./stanzas/stanza-errors.js";
export { fitForXml } from "./xml/xml-characters.js";
export { appendAll, childElements, Element, escapeAttribute, escapeText, xml } from "./xml/xml.js";
// Last of all: modules that load CommonJS have begun with `require-begin.node.js`.
import "./base/require-end.node.js";
