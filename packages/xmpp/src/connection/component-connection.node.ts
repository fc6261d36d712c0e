import "../base/require-begin.node.js";
import { createHash } from "node:crypto";
import { component } from "@xmpp/component";
import type { ComponentConnectionOptions, Connection } from "./connection.js";
import { COMPONENT_ECHO, createEchoWindow } from "../stream/echo-window.js";
import { XmppError } from "../base/errors.js";
import * as NS from "../base/namespaces.js";
import { checkComponentOptions } from "./option-checks.node.js";
import { createStream } from "../stream/stream.js";
import { parseStreamError, toXmppError } from "../stanzas/stream-errors.js";
import { DEFAULT_PARSER_LIMITS } from "../xml/stream-parser.js";
import { connectSocket, createSecureContext, type TlsOptions } from "../transports/stream-socket.node.js";
import { createSupervisedConnection, type AttemptContext } from "./supervised-connection.js";
import { escapeText } from "../xml/xml.js";
import type { XmppJsComponent } from "../xmpp-js/xmpp-js.js";

/**
 * Creates a component's connection (XEP-0114), which keeps itself alive. It connects only after `start`. Before the
 * first stream, a refused certificate ends the connection. Later the connection tries again, since the operator may be
 * renewing the certificate. Throws `StanzapackError` (`invalid-options`).
 */
export function createComponentConnection(given: ComponentConnectionOptions): Connection {
  const options = checkComponentOptions(given);
  const tls: TlsOptions | undefined = options.tls && {
    domain: options.tls.serverName ?? options.host,
    secureContext: createSecureContext(options.tls.ca),
  };
  return createSupervisedConnection({
    kind: "component",
    jid: options.domain,
    // `conflict` is not final here: the server may still hold our own dead connection.
    finalCodes: ["auth", "stopped", "aborted"],
    finalAtFirst: ["tls"],
    retryStart: options.retryStart ?? true,
    timeouts: options.timeouts,
    reconnect: options.reconnect,
    limits: options.limits,
    attempt: (context) => attempt(options, tls, context),
    ownAddresses: () => [],
    echoWindow: (hooks) => createEchoWindow(() => options.domain, COMPONENT_ECHO, hooks),
  });
}

async function attempt(
  options: ComponentConnectionOptions,
  tls: TlsOptions | undefined,
  context: AttemptContext,
): Promise<XmppError> {
  const { domain, secret, host, port } = options;
  const service = `xmpp://${host}:${String(port)}`;
  const entity = component({ service, domain, password: secret }) as XmppJsComponent;
  const socket = await connectSocket({ host, port }, tls, context.signal);
  const maxStanzaChars = options.limits?.maxStanzaChars ?? DEFAULT_PARSER_LIMITS.maxStanzaChars;
  // Anybody may send to a component. One sender's stanza must not end the stream that all share.
  const stream = createStream(entity, socket, { ...DEFAULT_PARSER_LIMITS, maxStanzaChars, beyond: "strip" });
  const ended = context.own(stream);
  let opened = false;

  // XEP-0114 §3 hashes the UTF-8 of the secret; xmpp.js hashes the lower bytes of its UTF-16.
  entity.authenticate = (id: string | undefined) => {
    opened = true;
    if (id === undefined) {
      stream.fail(new XmppError("protocol", "the server's stream has no id"), "invalid-xml");
      return Promise.resolve();
    }
    stream.write(`<handshake>${handshake(id, secret)}</handshake>`);
    return Promise.resolve();
  };
  stream.route = (element) => {
    if (element.is("error", NS.STREAM)) {
      stream.fail(parseStreamError(element, "auth"));
    } else if (element.name === "handshake") {
      context.establish({ stream, jid: domain, resumed: false, first: "" });
    }
  };
  entity.open({ domain }).catch((error: unknown) => {
    stream.fail(toXmppError(error, "stream"));
  });
  const reason = await ended;
  if (opened || tls !== undefined || reason.code !== "disconnected") return reason;
  return new XmppError(
    "disconnected",
    `${reason.message} before the server opened a stream: the port may require TLS (option \`tls\`)`,
    { cause: reason },
  );
}

/** XEP-0114 §3, example 3. */
export function handshake(streamId: string, secret: string): string {
  return escapeText(
    createHash("sha1")
      .update(streamId + secret, "utf8")
      .digest("hex"),
  );
}
