// A subscriber's process: one measured connection after another, in its own network namespace if there is one.
import { hashJson } from "../demo/delivery.js";
import { DemoError } from "../demo/failure.js";
import { steadyMs } from "./clock.js";
import { openConsumer, type Consumer } from "./consumers.js";
import { readInterfaceCount } from "./interface-counters.js";
import { answerCalls } from "../measure/rpc.js";
import type { ConnectionBytes, SubscriberMethods, SubscriberOpen } from "./subscriber-methods.js";

interface Received {
  readonly hashes: number[];
  readonly at: number[];
  readonly offsets: number[];
  conflated: number;
}

interface Measured {
  readonly options: SubscriberOpen;
  readonly consumer: Consumer;
  readonly feeds: readonly Received[];
  start: ConnectionBytes | undefined;
  lost: Error | undefined;
}

let current: Measured | undefined;

const methods: SubscriberMethods = {
  async open(options) {
    const feeds = Array.from({ length: options.feeds }, (): Received => {
      return { hashes: [], at: [], offsets: [], conflated: 0 };
    });
    let lost: Error | undefined;
    const consumer = await openConsumer(options, {
      onValue({ feed, value }, offset) {
        const at = steadyMs();
        const received = feeds[feed];
        received?.at.push(at);
        received?.hashes.push(hashJson(JSON.stringify(value)));
        if (offset !== undefined) received?.offsets.push(offset);
      },
      onConflated(feed, count) {
        const received = feeds[feed];
        if (received !== undefined) received.conflated += count;
      },
      onLost(reason) {
        lost ??= reason;
        if (current !== undefined) current.lost ??= reason;
      },
    });
    current = { options, consumer, feeds, start: undefined, lost };
    return consumer.jid;
  },

  async begin({ nodes, windowMs }) {
    const measured = opened();
    measured.start = read(measured);
    await measured.consumer.subscribe(nodes, windowMs);
  },

  settle() {
    opened().consumer.settle();
  },

  end() {
    const { options, consumer, feeds, start, lost } = opened();
    if (lost !== undefined)
      throw new DemoError("disconnected", `a measured connection broke: ${lost.message}`);
    if (start === undefined) throw new DemoError("usage", "call `begin` first");
    const now = read({ options, consumer });
    return {
      ...difference(now, start),
      handshakeBytes: start.bytesDown + start.bytesUp,
      envelope: consumer.envelope,
      quoteEscapeBytes: options.compression !== "none" ? null : consumer.quoteEscapeBytes(),
      feeds: feeds.map((feed) => ({ ...feed, offsets: options.form === "stanzapack" ? feed.offsets : null })),
    };
  },

  async close() {
    const measured = current;
    current = undefined;
    await measured?.consumer.close();
  },
};

function opened(): Measured {
  if (current === undefined) throw new DemoError("usage", "call `open` first");
  return current;
}

function read({ options, consumer }: Pick<Measured, "options" | "consumer">): ConnectionBytes {
  const { received, sent } = consumer.meter;
  const wire = options.interface === null ? undefined : readInterfaceCount(options.interface);
  return {
    bytesDown: received.xmpp,
    bytesUp: sent.xmpp,
    tlsDown: received.socket,
    tlsUp: sent.socket,
    wireDown: wire?.down ?? null,
    wireUp: wire?.up ?? null,
  };
}

function difference(now: ConnectionBytes, then: ConnectionBytes): ConnectionBytes {
  const minus = (a: number | null, b: number | null): number | null =>
    a === null || b === null ? null : a - b;
  return {
    bytesDown: now.bytesDown - then.bytesDown,
    bytesUp: now.bytesUp - then.bytesUp,
    tlsDown: now.tlsDown - then.tlsDown,
    tlsUp: now.tlsUp - then.tlsUp,
    wireDown: minus(now.wireDown, then.wireDown),
    wireUp: minus(now.wireUp, then.wireUp),
  };
}

answerCalls(methods, () => methods.close(null));
