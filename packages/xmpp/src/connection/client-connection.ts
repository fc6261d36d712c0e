import { negotiate } from "../stream/client-negotiation.js";
import type { ClientConnectionOptions, Connection } from "./connection.js";
import type { StreamManagementPolicy } from "../stream/stream-management.js";
import { XmppError } from "../base/errors.js";
import { toAsciiDomain } from "../addresses/domain-name.js";
import { createEchoWindow, type EchoPolicy } from "../stream/echo-window.js";
import { createFastTokens } from "../login/fast-tokens.js";
import { findAlternatives } from "../discovery/host-meta.js";
import { bareJid, jid as parseJid, type JID } from "../addresses/jid.js";
import { loadPart } from "../base/load-part.js";
import { prepareLogin } from "../login/login.js";
import { randomText } from "../base/random.js";
import { assertWebCrypto } from "../login/scram.js";
import { resolveDomain } from "../discovery/resolve.node.js";
import { createServiceSearch, type Try } from "../discovery/service-search.js";
import { checkClientOptions } from "./option-checks.node.js";
import {
  canBeSecure,
  hostInUrl,
  parseServiceUrl,
  toTarget,
  type Service,
} from "../transports/service-url.js";
import { createStream, type Stream } from "../stream/stream.js";
import {
  COMPRESSED_OUT_CHARS,
  createStreamManagement,
  DEFAULT_STREAM_MANAGEMENT,
  WINDOW_CHARS,
  type StreamManagement,
} from "../stream/stream-management.js";
import { DEFAULT_PARSER_LIMITS } from "../xml/stream-parser.js";
import { connectSocket, createSecureContext, type TlsOptions } from "../transports/stream-socket.node.js";
import { createSupervisedConnection, DEFAULT_TIMEOUTS } from "./supervised-connection.js";
import type { TransportKind, TransportSocket } from "../transports/transport.js";
import { connectWebSocket } from "../transports/websocket-socket.js";
import { createXmppJsClient } from "../xmpp-js/xmpp-js-client.node.js";
import type { XmppJsEntity } from "../xmpp-js/xmpp-js.js";

/**
 * Largest body of a BOSH answer, in bytes. 8 MiB: a server that could not deliver for a while puts everything into one
 * answer. It bounds the memory that a hostile server can use.
 */
const MAX_BOSH_ANSWER_BYTES = 8_388_608;

/** Most bytes of UTF-8 for each UTF-16 code unit of a string. */
const MAX_BYTES_PER_CHAR = 3;

/** Policy of a client's stream without Stream Management: the same window, measured by echoes. */
function clientEcho({ targetMs, answerMs }: StreamManagementPolicy): EchoPolicy {
  return { window: { targetMs, ...WINDOW_CHARS }, answerMs, atOnce: true };
}

/** Look-up of a domain's services. Tests replace it. */
export interface Lookup {
  readonly tcp: (domain: string, signal: AbortSignal) => Promise<readonly Service[]>;
  readonly alternatives: (tls: TlsOptions, signal: AbortSignal) => Promise<readonly Service[]>;
}

const LOOKUP: Lookup = { tcp: resolveDomain, alternatives: findAlternatives };

/**
 * Creates a client's connection (RFC 6120), which keeps itself alive and resumes its session. It connects only after
 * `start`. Throws `StanzapackError` (`invalid-options`).
 */
export function createClientConnection(options: ClientConnectionOptions): Connection;
/** @internal */
export function createClientConnection(options: ClientConnectionOptions, lookup: Lookup): Connection;
export function createClientConnection(given: ClientConnectionOptions, lookup: Lookup = LOOKUP): Connection {
  const options = checkClientOptions(given);
  const account = parseJid(options.jid);
  const { domain } = account;
  const asciiDomain = toAsciiDomain(domain);
  const requireTls = options.requireTls ?? true;
  const tls: TlsOptions = {
    domain: asciiDomain,
    secureContext: createSecureContext(options.ca),
    sessions: new Map(),
    // XEP-0368 §3
    alpn: ["xmpp-client"],
  };
  const resource = options.resource ?? randomText(4);
  const tokens = createFastTokens(options.clientId);
  const policy = { ...DEFAULT_STREAM_MANAGEMENT, ...options.streamManagement };
  const maxOutChars = options.compress === true ? COMPRESSED_OUT_CHARS : Infinity;
  const maxStanzaChars = options.limits?.maxStanzaChars ?? DEFAULT_PARSER_LIMITS.maxStanzaChars;
  let management: StreamManagement | undefined;
  /**
   * Transport on which the session began. Prosody resumes a session of one transport on another, and then writes to the
   * new one as to the old one.
   */
  let sessionTransport: TransportKind | undefined;
  const search = createServiceSearch(
    {
      explicit: (options.urls ?? (options.url === undefined ? [] : [options.url])).map(parseServiceUrl),
      tcp: (signal) => lookup.tcp(asciiDomain, signal),
      alternatives: (signal) => lookup.alternatives(tls, signal),
    },
    options.timeouts?.onlineMs ?? DEFAULT_TIMEOUTS.onlineMs,
  );

  const open = async ({ transport, url }: Service, signal: AbortSignal): Promise<TransportSocket> => {
    switch (transport) {
      case "tcp": {
        const target = toTarget(url);
        return connectSocket(target, target.directTls ? tls : undefined, signal);
      }
      case "websocket":
        return connectWebSocket(url, { tls, maxMessageBytes: MAX_BYTES_PER_CHAR * maxStanzaChars }, signal);
      case "bosh": {
        const { BoshSocket } = await loadPart(import("../bosh/bosh-socket.js"), "BOSH", signal);
        return new BoshSocket(url, {
          tls,
          maxAnswerBytes: MAX_BOSH_ANSWER_BYTES,
          timing: options.bosh,
          domain,
          from: account.bare().toString(),
        });
      }
    }
  };

  const connection: Connection = createSupervisedConnection({
    kind: "client",
    jid: "",
    finalCodes: ["auth", "conflict", "insecure-context", "stopped", "aborted"],
    // After the first session, our own dead session may still have the resource.
    finalAtFirst: ["resource"],
    retryStart: options.retryStart ?? false,
    timeouts: options.timeouts,
    reconnect: options.reconnect,
    limits: options.limits,
    ...(policy.enabled && {
      streamManagement: (hooks) => (management = createStreamManagement(policy, hooks, maxOutChars)),
    }),
    echoWindow: (hooks) => createEchoWindow(() => connection.jid, clientEcho(policy), hooks),
    ownAddresses: (full) => [full, bareJid(full), domain],
    async attempt(context) {
      assertWebCrypto();
      const begin = (service: Service): Try & { ended: Promise<XmppError> | undefined } => {
        const cancel = new AbortController();
        const signal = AbortSignal.any([context.signal, cancel.signal]);
        let stream: Stream | undefined;
        const connect = async (): Promise<void> => {
          if (requireTls && !canBeSecure(service)) {
            throw new XmppError("tls", `TLS is required, and ${service.url.href} is without TLS`);
          }
          // XEP-0206 §3 and RFC 7395 §3.9 leave compression to HTTP, so the attempt can fail before the login.
          if (options.compress === true && service.transport !== "tcp") {
            throw new XmppError(
              "unsupported",
              `stream compression needs TCP, and ${service.url.href} is not TCP`,
            );
          }
          const socket = await open(service, signal);
          if (signal.aborted) {
            socket.destroy();
            throw signal.reason;
          }
          const entity = createEntity(account, service);
          stream = createStream(entity, socket, { ...DEFAULT_PARSER_LIMITS, maxStanzaChars });
          attempt.ended = context.own(stream);
          // XEP-0124 has acknowledgements of its own.
          const ofSession = service.transport === "bosh" ? undefined : management;
          const opened = negotiate(stream, {
            login: prepareLogin(account.local, options.password),
            requireTls,
            compress: options.compress ?? false,
            tls,
            domain,
            resource,
            isResourceGiven: options.resource !== undefined,
            tokens,
            jid: connection.jid,
            management: ofSession,
            mayResume: service.transport === sessionTransport,
            onEstablished: (established) => {
              search.remember(service);
              sessionTransport = service.transport;
              if (ofSession === undefined) management?.reset();
              context.establish(established);
            },
          });
          const ended = await Promise.race([opened, attempt.ended]);
          if (ended !== undefined) throw ended;
        };
        const attempt = {
          ended: undefined as Promise<XmppError> | undefined,
          opened: Promise.resolve(),
          abandon(reason: XmppError) {
            cancel.abort(reason);
            stream?.fail(reason);
          },
        };
        attempt.opened = connect();
        return attempt;
      };
      const { ended } = await search.run(begin, context.signal);
      return ended ?? new XmppError("disconnected", "the stream is gone");
    },
  });
  return connection;
}

function createEntity(account: JID, { transport, url }: Service): XmppJsEntity {
  // The BOSH transport uses the framing of a WebSocket.
  const protocol = transport === "tcp" ? url.protocol : "wss:";
  const service = `${protocol}//${hostInUrl(toAsciiDomain(account.domain))}`;
  const entity = createXmppJsClient(service, account.domain);
  // Set here, since xmpp.js would escape the address once more.
  entity.jid = account;
  return entity;
}
