import { onTestFinished } from "vitest";
import { XmppError } from "../base/errors.js";
import type { Connection, ConnectionEvents, StanzaHandler } from "../connection/connection.js";
import { createIqHandlers } from "../stanzas/iq-handlers.js";
import { createIqRequests } from "../stanzas/iq-requests.js";
import { createListeners } from "../base/listeners.js";
import { StreamParser } from "../xml/stream-parser.js";
import type { Element } from "../xml/xml.js";

export interface LoopbackConnection extends Connection {
  /** The texts of all calls of `send`. */
  readonly sent: string[];
  /** Receives a stanza as if from the server. */
  receive(text: string): void;
  emit: ReturnType<typeof createListeners<ConnectionEvents>>["emit"];
  /** Receives everything that this connection sends. Default: none. */
  peer: LoopbackConnection | undefined;
}

/** A connection without a server, which ends with its test. The peer receives each stanza at once, with the sender's address. */
export function createLoopback(kind: "client" | "component", jid: string): LoopbackConnection {
  const handlers = new Set<StanzaHandler>();
  const events = createListeners<ConnectionEvents>();
  const requests = createIqRequests(() => []);
  onTestFinished(() => requests.rejectAll(new XmppError("stopped", "the test has ended")));
  const iqHandlers = createIqHandlers(() => jid);
  const parser = new StreamParser();
  parser.write("<s xmlns='jabber:client'>");
  parser.on("element", (stanza: Element) => {
    if (stanza.name === "iq" && /result|error/.test(String(stanza.attrs["type"])))
      return requests.onAnswer(stanza);
    for (const handler of handlers) if (handler(stanza, parser.lastElementChars)) return;
    if (stanza.name === "iq") iqHandlers.onRequest(stanza, (answer) => void connection.sendElement(answer));
  });
  const connection: LoopbackConnection = {
    kind,
    jid,
    state: "online",
    writable: true,
    room: Infinity,
    slow: false,
    compressed: false,
    transport: "tcp",
    pause: () => false,
    probe: () => Promise.resolve(true),
    echoes: false,
    meter: { received: { xmpp: 0, socket: 0 }, sent: { xmpp: 0, socket: 0 } },
    sent: [],
    peer: undefined,
    start: () => Promise.resolve(),
    stop: () => Promise.resolve(),
    send(text) {
      connection.sent.push(text);
      const sender = / from=/.test(text.slice(0, text.indexOf(">"))) ? "" : ` from='${jid}'`;
      connection.peer?.receive(text.replace(/^<(\w+)/, `<$1${sender}`));
      return true;
    },
    sendElement: (stanza) => connection.send(stanza.toString()),
    request: (iq, options = {}) => requests.request(iq, options, (ready) => connection.sendElement(ready)),
    onIq: (type, ns, name, handler) => iqHandlers.add(type, ns, name, handler),
    onOtherIq: (handler) => iqHandlers.addFallback(handler),
    onStanza(handler) {
      handlers.add(handler);
      return () => void handlers.delete(handler);
    },
    offers: () => false,
    on: (event, listener) => events.on(event, listener),
    receive: (text) => {
      parser.write(text);
    },
    emit: events.emit.bind(events),
  };
  return connection;
}

/** A client and a component that receive each other's stanzas. */
export function createLoopbackPair(): [client: LoopbackConnection, component: LoopbackConnection] {
  const client = createLoopback("client", "bob@example.test/r");
  const component = createLoopback("component", "c.test");
  client.peer = component;
  component.peer = client;
  return [client, component];
}
