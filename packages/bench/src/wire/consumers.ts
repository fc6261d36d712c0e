import { connect, type EnvelopeKind } from "@stanzapack/client";
import {
  bareJid,
  createClientConnection,
  createInBandBytestreams,
  type ByteMeter,
  type Element,
} from "@stanzapack/xmpp";
import { QuoteEscapes } from "../rivals/quote-escapes.js";
import { parseJson, parseMsgpack, type ReceivedValue, type WireRivalForm } from "./forms.js";
import type { SubscriberOpen } from "./subscriber-methods.js";

/** Events of a consumer. */
export interface ConsumerEvents {
  readonly onValue: (received: ReceivedValue, offset?: number) => void;
  readonly onConflated: (feed: number, count: number) => void;
  /** Called once, if the connection has ended for good and nobody closed it. */
  readonly onLost: (reason: Error) => void;
}

/** One connection that receives one workload in one form. */
export interface Consumer {
  readonly jid: string;
  readonly meter: ByteMeter;
  subscribe(nodes: readonly string[], windowMs: number): Promise<void>;
  /** The present envelope of its small blocks. Null for rivals. */
  readonly envelope: EnvelopeKind | null;
  /** Bytes of an uncompressed stream that `&quot;` has added so far. Null if that is not known. */
  quoteEscapeBytes(): number | null;
  /** Sends the acknowledgements that are due. */
  settle(): void;
  close(): Promise<void>;
}

export function openConsumer(options: SubscriberOpen, events: ConsumerEvents): Promise<Consumer> {
  return options.form === "stanzapack" ? openOurs(options, events) : openRival(options.form, options, events);
}

async function openOurs(
  { account, url, ca, compression, sender }: SubscriberOpen,
  events: ConsumerEvents,
): Promise<Consumer> {
  const client = await connect({ ...account, component: sender, url, ca, compress: compression === "zlib" });
  client.on("closed", (reason) => reason && events.onLost(reason));
  client.on("offline", (reason) => events.onLost(reason));
  return {
    jid: client.jid,
    meter: client.meter,
    get envelope() {
      return client.envelope?.down ?? null;
    },
    async subscribe(nodes, windowMs) {
      await Promise.all(
        nodes.map(async (node, feed) => {
          const subscription = await client.subscribe(node, { windowMs });
          subscription.on("conflated", ({ from, to }) => events.onConflated(feed, to - from + 1));
          subscription.on("ended", (error) => error && events.onLost(error));
          subscription.on("update", ({ value, offset }) => events.onValue({ feed, value }, offset));
        }),
      );
    },
    quoteEscapeBytes: () => 0,
    settle: () => client.settle(),
    close: () => client.close(),
  };
}

/** Opens a rival's connection. It is like the SDK's own: as short a resource, the same Stream Management. */
async function openRival(
  form: WireRivalForm,
  { account, url, ca, compression, sender }: SubscriberOpen,
  events: ConsumerEvents,
): Promise<Consumer> {
  const connection = createClientConnection({ ...account, url, ca, compress: compression === "zlib" });
  const escapes = new QuoteEscapes();
  let quotes = 0;
  let closing = false;
  if (form === "msgpack-ibb") {
    const streams = createInBandBytestreams(connection);
    streams.onOpen = () => undefined; // anybody may open a stream to this client
    streams.onStream = (stream) => {
      stream.onBlock = (block) => parseMsgpack(stream.sid, block).forEach((value) => events.onValue(value));
    };
  } else {
    connection.onStanza((stanza: Element, chars = 0) => {
      const from = String(stanza.attrs["from"]);
      if (!stanza.is("message") || bareJid(from) !== sender) return false;
      quotes += escapes.observe(stanza, chars);
      const lane = from.slice(sender.length + 1);
      const body = stanza.getChildText("body") ?? "";
      parseJson(form, lane, body).forEach((value) => events.onValue(value));
      return true;
    });
  }
  connection.on("offline", ({ reason }) => {
    if (!closing) events.onLost(reason ?? new Error("the connection was lost"));
  });
  try {
    await connection.start();
  } catch (error) {
    await connection.stop();
    throw error;
  }
  return {
    jid: connection.jid,
    meter: connection.meter,
    envelope: null,
    subscribe: async () => undefined,
    quoteEscapeBytes: () => (quotes > 0 && escapes.found === undefined ? null : escapes.bytesFor(quotes)),
    // Rivals acknowledge nothing.
    settle: () => undefined,
    async close() {
      closing = true;
      await connection.stop();
    },
  };
}
