import type { Element } from "@xmpp/xml";
import type { BoshTiming } from "../bosh/bosh-courier.js";
import type { ByteMeter } from "../transports/byte-meter.js";
import type { XmppError } from "../base/errors.js";
import type { ReconnectPolicy } from "../base/timing.js";
import type { RequestOptions } from "../stanzas/iq-requests.js";
import type { IqHandler } from "../stanzas/iq-handlers.js";
import type { StreamManagementPolicy } from "../stream/stream-management.js";
import type { TransportKind } from "../transports/transport.js";

export type ConnectionState = "idle" | "connecting" | "online" | "offline" | "stopped";

export interface ConnectionEvents {
  /** The stream is ready. `resumed`: XEP-0198 resumed the old session, so nothing is lost and the JID is the same. */
  online: (info: { jid: string; resumed: boolean }) => void;
  /** The stream has ended. The connection tries again by itself unless it is stopped or ended. */
  offline: (info: { reason: XmppError | undefined }) => void;
  /**
   * An attempt to connect failed, or the stream has ended. Attempt number `attempt` since the last `online` begins in
   * `inMs`.
   */
  retrying: (info: { reason: XmppError; attempt: number; inMs: number }) => void;
  /** There is room again: `send` may be called without growing memory. */
  drain: () => void;
  /** The connection does not try again (credentials refused, conflict, stopped). */
  ended: (reason: XmppError | undefined) => void;
}

/**
 * Receives every inbound stanza that is not an iq answer, in the order of arrival. Returns true to keep the stanza from
 * all later handlers. `chars` is the length of the stanza on the stream, in characters.
 */
export type StanzaHandler = (stanza: Element, chars?: number) => boolean;

/**
 * One XMPP connection that keeps itself alive: a client's (RFC 6120) or a component's (XEP-0114). Every wait has a
 * deadline. While offline, it keeps only stanzas of a session that may be resumed, within bounds.
 */
export interface Connection {
  readonly kind: "client" | "component";
  /** Full JID of a client once bound, or domain of a component. Empty before the first `online` of a client. */
  readonly jid: string;
  readonly state: ConnectionState;
  /**
   * False while offline, and while too much waits for the socket or for the server's acknowledgements. Then wait for
   * `drain`, or `online`.
   */
  readonly writable: boolean;
  /**
   * Characters that may be sent before `writable` is false, by the server's acknowledgements. Infinity when these are
   * not measured; 0 while `writable` is false.
   */
  readonly room: number;
  /** The server reads more slowly than this side sends. */
  readonly slow: boolean;
  /** Whether the current stream is compressed (XEP-0138). */
  readonly compressed: boolean;
  readonly meter: ByteMeter;
  /** Transport of the current stream; `undefined` while there is none. */
  readonly transport: TransportKind | undefined;

  /**
   * Connects. Resolves at the first `online`. Rejects with `XmppError` when the connection ends before that, or the
   * signal aborts.
   */
  start(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Closes the stream, rejects pending requests, and frees sockets and timers. Idempotent. */
  stop(): Promise<void>;

  /**
   * Writes text of whole, well-formed stanzas in one write. `count` is the number of stanzas in the text. It is 0 for
   * elements that are no stanzas; a resumed session does not send those again.
   *
   * Returns `writable`. While offline it returns false. Stanzas are then sent when the session is resumed (XEP-0198
   * §5), and dropped when it is not. So callers must keep stanzas that must arrive.
   *
   * Throws `XmppError` (`invalid-xml`), and writes nothing, when the text is not well-formed or has another number of
   * stanzas. The server would end the stream over such text. `ready: true` omits this check, which takes about 3 µs a
   * stanza. Use it only when every foreign part of the text is base64 or was escaped by `escapeAttribute` or
   * `escapeText`.
   */
  send(stanzas: string, count?: number, ready?: boolean): boolean;
  /** Sends one stanza. Throws `XmppError` (`invalid-xml`) as `send` does. */
  sendElement(stanza: Element): boolean;
  /**
   * BOSH only: pauses the session for `forMs`, so that the process may sleep. In the pause no data arrive. The next
   * `send` ends the pause. Returns false, and does nothing, on other transports or when the server allows no pause this
   * long (XEP-0124 §10).
   */
  pause(forMs: number): boolean;
  /**
   * For components: resolves with true when the server has read everything that was sent. It sends a message to
   * ourselves, which returns after everything before it. Resolves with false when there is no stream, or the stream
   * ends first. There is no deadline: a server that has stopped reading answers when it continues.
   *
   * Some servers do not return such messages. So it resolves with true at once while none has returned on this stream.
   * Call it once at each `online`, so that later calls have an answer.
   */
  probe(): Promise<boolean>;
  /** For components: whether the server has returned a message to ourselves on this stream. */
  readonly echoes: boolean;
  /**
   * Sends an iq, with its id and a component's `from`, and resolves with the result stanza. Rejects with `StanzaError`
   * for an error answer. Rejects with `XmppError` otherwise: `invalid-xml` when XML cannot carry the iq.
   */
  request(iq: Element, options?: RequestOptions): Promise<Element>;
  /**
   * Whether the server offered the feature of this namespace to the logged-in stream (RFC 6120 §4.3.2). While offline,
   * the answer is about the last such stream.
   */
  offers(ns: string): boolean;

  /**
   * Adds the one handler for iqs of this type whose child has this namespace and name. Iqs without a handler are
   * answered by `service-unavailable`. Returns a function that removes the handler.
   */
  onIq(type: "get" | "set", ns: string, name: string, handler: IqHandler): () => void;
  /**
   * Adds the one handler for iqs of type get and set that have no other handler, except pings. Returns a function that
   * removes the handler.
   */
  onOtherIq(handler: IqHandler): () => void;
  /**
   * Adds a handler. Handlers run synchronously in the order of registration, before handlers of iqs. Returns a function
   * that removes the handler.
   */
  onStanza(handler: StanzaHandler): () => void;

  on<K extends keyof ConnectionEvents>(event: K, listener: ConnectionEvents[K]): () => void;
}

export interface ClientConnectionOptions {
  /** Bare JID to log in as. */
  readonly jid: string;
  readonly password: string;
  /**
   * `xmpp://host:port` (STARTTLS), `xmpps://host:port` (direct TLS), `wss://host/path` (RFC 7395) or
   * `https://host/path` (BOSH). `ws:` and `http:` only to this machine, or with `requireTls: false`. Default: the
   * addresses in the SRV records of the JID's domain. When TCP fails, the addresses in its host-meta (XEP-0156):
   * WebSocket, then BOSH.
   */
  readonly url?: string | undefined;
  /** Several such addresses instead of `url`. They are tried in this order, the one that worked last first. */
  readonly urls?: readonly string[] | undefined;
  /**
   * Resource to bind. A short one saves bytes, because each stanza has it. The client requests a given resource
   * unchanged. Default: four random characters. A server with Bind 2 (XEP-0386) that offers short resources makes the
   * default one with the login.
   */
  readonly resource?: string | undefined;
  /**
   * A random UUID that names this client permanently (XEP-0388 §2.3). Two clients that run at once must not share it.
   * Servers with FAST (XEP-0484) keep one token for each id. With a lasting id, a client leaves no other tokens behind,
   * and logs in faster from the second login of the connection on.
   *
   * Default: an id for this connection, whose token is used from the third login on. So a program that logs in once
   * leaves no token behind.
   */
  readonly clientId?: string | undefined;
  /** PEM of an authority to trust besides those of Node. In browsers this option throws `TypeError`. */
  readonly ca?: string | undefined;
  /** Refuses to log in without TLS. Default true. */
  readonly requireTls?: boolean | undefined;
  /**
   * Compresses the whole stream (XEP-0138, zlib). When the server does not offer it, the connection fails with
   * `unsupported`. Default false, because XEP-0138 is obsolete. An attacker may see the lengths of the encrypted stream
   * and insert text into it. Then the attacker can guess its other content piece by piece (the class of CRIME and
   * BREACH). Compression is safe when no attacker can do both. It is also safe when the stream has no secrets, or when
   * all senders to this account may read everything that it receives.
   */
  readonly compress?: boolean | undefined;
  readonly timeouts?: Partial<ConnectionTimeouts> | undefined;
  readonly reconnect?: Partial<ReconnectPolicy> | undefined;
  readonly streamManagement?: Partial<StreamManagementPolicy> | undefined;
  readonly bosh?: Partial<BoshTiming> | undefined;
  /** Whether `start` tries again when the first attempt fails. Default false, so that the user sees the fault. */
  readonly retryStart?: boolean | undefined;
  readonly limits?: Partial<ConnectionLimits> | undefined;
}

export interface ComponentTlsOptions {
  /** PEM of an authority to trust besides those of Node. */
  readonly ca?: string | undefined;
  /** Name in the certificate, and server name in TLS (SNI). Default: `host`. */
  readonly serverName?: string | undefined;
}

export interface ComponentConnectionOptions {
  readonly domain: string;
  readonly secret: string;
  readonly host: string;
  readonly port: number;
  /**
   * Begins the connection with TLS, as ejabberd's listener does with `tls: true`. When the server has no TLS, the
   * connection fails with `tls`. Default: no TLS. Then anybody between the two machines can read everything that users
   * send, and can send in the server's name. XEP-0114 has no STARTTLS, and neither ejabberd nor Prosody offers it here.
   */
  readonly tls?: ComponentTlsOptions | undefined;
  readonly timeouts?: Partial<ConnectionTimeouts> | undefined;
  /** `false`: the first failed attempt, or the first lost stream, ends the connection. */
  readonly reconnect?: Partial<ReconnectPolicy> | false | undefined;
  /** Whether `start` tries again when the first attempt fails. Default true, because servers start in any order. */
  readonly retryStart?: boolean | undefined;
  readonly limits?: Partial<ConnectionLimits> | undefined;
}

export interface ConnectionLimits {
  /**
   * Largest inbound stanza, in characters. A larger one ends the stream of a client. A component receives it without
   * its content. Default 1,048,576.
   */
  readonly maxStanzaChars: number;
  /** Most bytes that wait for the socket while `writable` is true. Default 1,048,576. */
  readonly maxWaitingBytes: number;
}

export interface ConnectionTimeouts {
  /**
   * Longest time of one attempt up to `online`, in ms. It includes the search for the server, all its addresses, TLS,
   * SASL and binding. Default 15,000.
   */
  readonly onlineMs: number;
  /** Longest time for a clean close of the stream, in ms. After it the socket is destroyed. Default 2,000. */
  readonly closeMs: number;
}
