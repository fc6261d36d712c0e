import { NS, xml, type Connection, type Element } from "@stanzapack/xmpp";
import type { Broker } from "../broker/broker.js";

/** Events in one write. */
const BATCH_COUNT = 100;
/** Most events that wait until the server reads. Further events are dropped, because the link's ERROR says the same. */
const MAX_WAITING = 100_000;

/**
 * Tells subscribers that a node was deleted, or their subscription taken away (XEP-0060 §8.4.2, §12.10). So
 * subscribers that do not read frames learn it too. The messages are headlines, sent one after another as the server
 * reads. Returns the undo.
 */
export function registerSubscriptionEvents(connection: Connection, broker: Broker): () => void {
  let waiting: string[] = [];
  const flush = (): void => {
    while (waiting.length > 0 && connection.writable) {
      const batch = waiting.splice(0, BATCH_COUNT);
      connection.send(batch.join(""), batch.length);
    }
  };
  const send = (to: string, change: Element): void => {
    if (waiting.length >= MAX_WAITING) return;
    const event = xml("event", NS.PUBSUB_EVENT, change);
    waiting.push(xml("message", { from: connection.jid, to, type: "headline" }, event).toString());
  };
  broker.offers.onWithdrawn = ({ node }, subscribers) => {
    for (const { jid } of subscribers) send(jid, xml("delete", { node }));
    flush();
  };
  broker.offers.onRevoked = ({ service: { node }, outlet: { jid }, subid }) => {
    send(jid, xml("subscription", { node, jid, subid, subscription: "none" }));
    flush();
  };
  const undo = [
    connection.on("drain", flush),
    // Events that wait end with the stream.
    connection.on("offline", () => (waiting = [])),
  ];
  return () => {
    for (const off of undo) off();
    broker.offers.onWithdrawn = broker.offers.onRevoked = undefined;
  };
}
