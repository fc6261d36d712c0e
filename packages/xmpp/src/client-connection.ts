import { client } from "@xmpp/client";
import type { ClientConnectionOptions, Connection } from "./connection.js";
import { XmppError } from "./errors.js";
import { createFastTokens } from "./fast-tokens.js";
import { bareJid, jid as parseJid, type JID } from "./jid.js";
import { negotiate } from "./client-negotiation.js";
import { prepareLogin } from "./login.js";
import { randomText } from "./random.js";
import { parseServiceUrl, resolveDomain, type Target } from "./resolve.node.js";
import { createStream } from "./stream.js";
import {
  createStreamManagement,
  DEFAULT_STREAM_MANAGEMENT,
  type StreamManagement,
} from "./stream-management.js";
import { DEFAULT_PARSER_LIMITS } from "./stream-parser.js";
import {
  connectSocket,
  createSecureContext,
  type StreamSocket,
  type TlsOptions,
} from "./stream-socket.node.js";
import { createSupervisedConnection } from "./supervised-connection.js";
import type { XmppJsClient } from "./xmpp-js.js";

/** What a server puts before the identifier it makes (XEP-0386 §4.2.1). Every character travels in every stanza. */
const BIND_TAG = "s";

/** A client's connection (RFC 6120) to its server, kept alive and resumed. Nothing happens before `start`. */
export function createClientConnection(options: ClientConnectionOptions): Connection {
  const account = parseJid(options.jid);
  if (account.local === "") throw new TypeError(`not a user's JID: ${JSON.stringify(options.jid)}`);
  const { domain } = account;
  const target = options.url === undefined ? undefined : parseServiceUrl(options.url);
  const tls: TlsOptions = { domain, secureContext: createSecureContext(options.ca) };
  const resource = options.resource ?? randomText(4);
  const tokens = createFastTokens(crypto.randomUUID());
  const policy = { ...DEFAULT_STREAM_MANAGEMENT, ...options.streamManagement };
  let management: StreamManagement | undefined;

  const connection: Connection = createSupervisedConnection({
    kind: "client",
    jid: "",
    finalCodes: ["auth", "conflict", "stopped", "aborted"],
    retryStart: options.retryStart ?? false,
    timeouts: options.timeouts,
    reconnect: options.reconnect,
    limits: options.limits,
    ...(policy.enabled && {
      streamManagement: (hooks) => (management = createStreamManagement(policy, hooks)),
    }),
    ownAddresses: (full) => [full, bareJid(full), domain],
    async attempt(context) {
      const targets = target === undefined ? await resolveDomain(domain) : [target];
      const [socket, reached] = await connectFirst(targets, tls, context.signal);
      const entity = createEntity(account, reached);
      const stream = createStream(entity, socket, {
        ...DEFAULT_PARSER_LIMITS,
        ...(options.limits?.maxStanzaChars !== undefined && {
          maxStanzaChars: options.limits.maxStanzaChars,
        }),
      });
      context.own(stream);
      negotiate(stream, {
        login: prepareLogin(entity, account.local, options.password),
        requireTls: options.requireTls ?? true,
        compress: options.compress ?? false,
        tls,
        resource,
        ...(options.resource === undefined && { bindTag: BIND_TAG }),
        tokens,
        jid: connection.jid,
        management,
        onEstablished: context.establish,
      });
    },
  });
  return connection;
}

/** A socket to the first of the addresses that answers. */
async function connectFirst(
  targets: readonly Target[],
  tls: TlsOptions,
  signal: AbortSignal,
): Promise<[StreamSocket, Target]> {
  let failure: unknown = new XmppError("unreachable", `no address for ${tls.domain}`);
  for (const target of targets) {
    try {
      return [await connectSocket(target, target.directTls ? tls : undefined, signal), target];
    } catch (error) {
      if (signal.aborted) throw error;
      failure = error;
    }
  }
  throw failure;
}

/** An xmpp.js client of which only the stream headers and SASL are used. */
function createEntity(account: JID, target: Target): XmppJsClient {
  const service = `${target.directTls ? "xmpps" : "xmpp"}://${account.domain}`;
  const entity = client({ service, domain: account.domain }) as unknown as XmppJsClient;
  entity.Transport = entity._findTransport(service);
  entity._jid(account.bare().toString());
  return entity;
}
