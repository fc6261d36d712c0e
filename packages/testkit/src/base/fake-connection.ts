import type { Connection, Element, StanzaHandler } from "@stanzapack/xmpp";

/** A request that the code under test has sent, and that has no answer yet. */
export interface PendingRequest {
  readonly iq: Element;
  resolve(answer: Element): void;
  reject(error: Error): void;
}

/** A connection without a server or a peer. The test delivers stanzas, and reads what the code under test sends. */
export interface FakeConnection extends Connection {
  /** Elements that were sent, and texts that were sent as text. The test empties the list. */
  readonly sent: (Element | string)[];
  readonly pending: Set<PendingRequest>;
  /** Delivers a stanza as if the server sent it. Returns true if a handler took it. */
  receive(stanza: Element): boolean;
}

export function createFakeConnection(kind: "client" | "component", jid: string): FakeConnection {
  const handlers = new Set<StanzaHandler>();
  const pending = new Set<PendingRequest>();
  const sent: (Element | string)[] = [];
  let nextId = 0;
  const part: Omit<FakeConnection, keyof Connection> & Partial<Connection> = {
    kind,
    jid,
    state: "online",
    writable: true,
    sent,
    pending,
    receive(stanza) {
      for (const handler of handlers) if (handler(stanza, 0)) return true;
      return false;
    },
    send(text) {
      sent.push(text);
      return true;
    },
    sendElement(stanza) {
      sent.push(stanza);
      return true;
    },
    request(iq) {
      iq.attrs["id"] = `own${nextId++}`;
      sent.push(iq);
      return new Promise((resolve, reject) => {
        const request: PendingRequest = {
          iq,
          resolve: (answer) => void (pending.delete(request) && resolve(answer)),
          reject: (error) => void (pending.delete(request) && reject(error)),
        };
        pending.add(request);
      });
    },
    probe: () => Promise.resolve(true),
    echoes: false,
    onStanza(handler) {
      handlers.add(handler);
      return () => void handlers.delete(handler);
    },
    on: () => () => undefined,
  };
  // The fake lacks the members that the code under test does not use.
  return part as FakeConnection;
}
