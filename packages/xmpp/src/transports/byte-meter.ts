/** Bytes of one connection since its creation, over all its reconnections. */
export interface ByteCount {
  /** Stream bytes after stream compression and before TLS. */
  xmpp: number;
  /** Bytes of the socket, TLS records included; no TCP/IP headers. */
  socket: number;
}

export interface ByteMeter {
  readonly received: Readonly<ByteCount>;
  readonly sent: Readonly<ByteCount>;
}

/** A source that counts its own bytes, such as one socket. */
export interface ByteSource {
  readonly received: Readonly<ByteCount>;
  readonly sent: Readonly<ByteCount>;
}

export interface SourcedByteMeter extends ByteMeter {
  /** Counts a further source from now on. Returns a function that removes the source and keeps its last count. */
  add(source: ByteSource): () => void;
}

/** Reads its sources only when a caller reads the meter, so that counting costs nothing per stanza. */
export function createByteMeter(): SourcedByteMeter {
  const sources = new Set<ByteSource>();
  const past = { received: { xmpp: 0, socket: 0 }, sent: { xmpp: 0, socket: 0 } };

  const total = (direction: "received" | "sent"): ByteCount => {
    const sum = { ...past[direction] };
    for (const source of sources) addTo(sum, source[direction]);
    return sum;
  };

  return {
    get received() {
      return total("received");
    },
    get sent() {
      return total("sent");
    },
    add(source) {
      sources.add(source);
      return () => {
        if (!sources.delete(source)) return;
        addTo(past.received, source.received);
        addTo(past.sent, source.sent);
      };
    },
  };
}

function addTo(sum: ByteCount, count: Readonly<ByteCount>): void {
  sum.xmpp += count.xmpp;
  sum.socket += count.socket;
}
