export type { ByteCount, ByteMeter } from "./byte-meter.js";
export type {
  ClientConnectionOptions,
  ComponentConnectionOptions,
  Connection,
  ConnectionEvents,
  ConnectionState,
  ConnectionTimeouts,
  IqHandler,
  ReconnectPolicy,
  RequestOptions,
  StanzaHandler,
  StreamManagementPolicy,
} from "./connection.js";
export { StanzaError, XmppError } from "./errors.js";
export type { StanzaErrorType, XmppErrorCode } from "./errors.js";
export type {
  Bytestream,
  BytestreamEnd,
  BytestreamOptions,
  InBandBytestreams,
  OpenRequest,
} from "./in-band-bytestreams.js";
