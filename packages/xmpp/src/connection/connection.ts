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
  /** The stream can be used. `resumed`: XEP-0198 brought the old session back, nothing was lost and the JID is the same. */
  online: (info: { jid: string; resumed: boolean }) => void;
  /** The stream is gone; the connection tries again by itself unless it is stopped or ended. */
  offline: (info: { reason: XmppError | undefined }) => void;
  /** An attempt to connect failed, or the stream is gone: attempt number `attempt` since the last `online` begins in `inMs`. */
  retrying: (info: { reason: XmppError; attempt: number; inMs: number }) => void;
  /** What waited has left, or was read: `send` may be called again without growing memory. */
  drain: () => void;
  /** Final: will not try again (credentials refused, conflict, stopped). */
  ended: (reason: XmppError | undefined) => void;
}

/**
 * Sees every inbound stanza that is not an iq answer, in the order of arrival; returns true when it took it.
 * `chars`: its length on the stream, in characters.
 */
export type StanzaHandler = (stanza: Element, chars?: number) => boolean;

/**
 * One XMPP stream that keeps itself alive: a client's (RFC 6120) or a component's (XEP-0114).
 * Every wait has a deadline; nothing is queued while offline.
 */
export interface Connection {
  readonly kind: "client" | "component";
  /** Own full JID once bound (client), or the component's domain. Empty before the first `online` of a client. */
  readonly jid: string;
  readonly state: ConnectionState;
  /** False when the socket, or the server as far as it acknowledges, is backed up beyond its bound: wait for `drain`. */
  readonly writable: boolean;
  /** Characters that may be sent before `writable` turns false, as far as the server acknowledges; Infinity where that is not known. */
  readonly room: number;
  /** The server reads slower than is sent. */
  readonly slow: boolean;
  /** Whether the stream that is up now is compressed (XEP-0138). */
  readonly compressed: boolean;
  readonly meter: ByteMeter;
  /** What carries the stream; `undefined` while there is none. */
  readonly transport: TransportKind | undefined;

  /** Resolves when online the first time; rejects with `XmppError` when that is impossible before the deadline. */
  start(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Closes the stream, rejects what is pending, frees sockets and timers. Idempotent. */
  stop(): Promise<void>;

  /**
   * Writes stanza text: whole, well-formed stanzas, in one write. `count`: how many stanzas it holds; 0 for elements that
   * are no stanzas, which a resumed session does not send again.
   * Returns `writable`. Offline that is false: stanzas are sent when the session is resumed (XEP-0198 §5), and dropped when it is
   * not, so callers keep what they promised themselves.
   * Throws `XmppError` (`invalid-xml`), and writes nothing, when the text is not well-formed or holds another number of stanzas:
   * the server would end the stream. `ready`: true leaves that check out, for text of which every foreign part is base64 or
   * went through `escapeAttribute` or `escapeText`. The check takes about 3 µs a stanza.
   */
  send(stanzas: string, count?: number, ready?: boolean): boolean;
  /** Sends one stanza. Throws `XmppError` (`invalid-xml`) as `send` does. */
  sendElement(stanza: Element): boolean;
  /**
   * BOSH only: nothing comes and nothing is asked for during so many ms, in which the process may sleep; the next `send`
   * ends it. False, and nothing happens, elsewhere or where the server allows none so long (XEP-0124 §10).
   */
  pause(forMs: number): boolean;
  /**
   * Of a component: whether the server has read all that was sent, by a message to ourselves that comes back; false when the stream is
   * lost first. No deadline: a server that stands still answers when it goes on. True at once while no such message ever came
   * back on this stream, since not every server gives them back; so ask once when it is online.
   */
  probe(): Promise<boolean>;
  /**
   * Sends an iq (from, id are filled in) and gives the result stanza; rejects with `StanzaError` or `XmppError`, with
   * `invalid-xml` when the iq cannot be written.
   */
  request(iq: Element, options?: RequestOptions): Promise<Element>;
  /** Whether the server offered the feature of this namespace to the logged-in stream (RFC 6120 §4.3.2); as last heard while offline. */
  offers(ns: string): boolean;

  /** One handler per (type, namespace, name of the iq's child); unhandled iqs are answered `service-unavailable`. Returns the undo. */
  onIq(type: "get" | "set", ns: string, name: string, handler: IqHandler): () => void;
  /** The one handler of iqs of type get and set that no other takes, but pings. Returns the undo. */
  onOtherIq(handler: IqHandler): () => void;
  /** Handlers run in order of registration, synchronously, before anything else. Returns the undo. */
  onStanza(handler: StanzaHandler): () => void;

  on<K extends keyof ConnectionEvents>(event: K, listener: ConnectionEvents[K]): () => void;
}

export interface ClientConnectionOptions {
  /** Bare JID to log in as. */
  readonly jid: string;
  readonly password: string;
  /**
   * `xmpp://host:port` (STARTTLS), `xmpps://host:port` (direct TLS), `wss://host/path` (RFC 7395) or `https://host/path`
   * (BOSH); `ws:` and `http:` only to this machine, or with `requireTls: false`. Default: what the JID's domain says
   * in its SRV records and, when TCP does not get through, in its host-meta (XEP-0156): TCP, then WebSocket, then BOSH.
   */
  readonly url?: string | undefined;
  /** Several such addresses in the place of `url`, tried in this order; the one that worked last comes first. */
  readonly urls?: readonly string[] | undefined;
  /**
   * Short is cheap: every character of it travels in every stanza. Default: four random characters, which a server that has
   * Bind 2 (XEP-0386) and says that its own are short makes along with the login. A given one is asked for as it is.
   */
  readonly resource?: string | undefined;
  /**
   * A random UUID that names this client for good (XEP-0388 §2.3), never shared by two that run at once. Servers with FAST
   * (XEP-0484) keep one token for each, so who keeps it leaves no others behind, and logs in quicker from the second login of
   * the connection on. Default: one for this connection, whose token is used from the third login on, so that programs
   * that log in once leave none.
   */
  readonly clientId?: string | undefined;
  /** PEM of the authority to trust, besides the system's. */
  readonly ca?: string | undefined;
  /** Refuses to log in without TLS. Default true. */
  readonly requireTls?: boolean | undefined;
  /**
   * Compresses the whole stream (XEP-0138, zlib); a server that does not offer it is an error, `unsupported`. Default
   * false: XEP-0138 is obsolete, since whoever sees the encrypted stream's lengths and can put text of theirs into it
   * may guess, piece by piece, what else is in it (the class of CRIME and BREACH). It is fine where nobody can do both:
   * where no secrets travel, or all who send to this account may read what it reads.
   */
  readonly compress?: boolean | undefined;
  readonly timeouts?: Partial<ConnectionTimeouts> | undefined;
  readonly reconnect?: Partial<ReconnectPolicy> | undefined;
  readonly streamManagement?: Partial<StreamManagementPolicy> | undefined;
  readonly bosh?: Partial<BoshTiming> | undefined;
  /** Whether `start` keeps trying when the first attempt fails. Default false: the user sees what is wrong. */
  readonly retryStart?: boolean | undefined;
  readonly limits?: Partial<ConnectionLimits> | undefined;
}

export interface ComponentTlsOptions {
  /** PEM of the authority to trust, besides the system's. */
  readonly ca?: string | undefined;
  /** The name that the certificate must be for, also asked for (SNI). Default: `host`. */
  readonly serverName?: string | undefined;
}

export interface ComponentConnectionOptions {
  readonly domain: string;
  readonly secret: string;
  readonly host: string;
  readonly port: number;
  /**
   * TLS from the first byte, as ejabberd's listener has it with `tls: true`; a server that has none is an error, `tls`. Default: none,
   * so that everybody between the two machines reads all that users send, and can send in the server's name. XEP-0114 knows no
   * STARTTLS, and neither ejabberd nor Prosody offers it here.
   */
  readonly tls?: ComponentTlsOptions | undefined;
  readonly timeouts?: Partial<ConnectionTimeouts> | undefined;
  /** `false`: the first failed attempt, or the first lost stream, ends the connection. */
  readonly reconnect?: Partial<ReconnectPolicy> | false | undefined;
  /** Whether `start` keeps trying when the first attempt fails. Default true: servers start in any order. */
  readonly retryStart?: boolean | undefined;
  readonly limits?: Partial<ConnectionLimits> | undefined;
}

export interface ConnectionLimits {
  /** Largest inbound stanza, in characters; a larger one ends the stream. Default 1,048,576. */
  readonly maxStanzaChars: number;
  /** Most bytes that wait for the socket while `writable` is true. Default 1,048,576. */
  readonly maxWaitingBytes: number;
}

export interface ConnectionTimeouts {
  /** From the first packet to fully online (finding the server, every address tried, TLS, SASL, bind), in ms. Default 15,000. */
  readonly onlineMs: number;
  /** For a clean close of the stream, in ms; then the socket is destroyed. Default 2,000. */
  readonly closeMs: number;
}
