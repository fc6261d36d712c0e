import type net from "node:net";
import type { ByteCount, ByteSource } from "../transports/byte-meter.js";
import { dial, type AlpnProtocol, type Dialed } from "../transports/dial.node.js";
import type { TlsOptions } from "../transports/stream-socket.node.js";

/** All connections to one address. Counts their bytes, those of closed connections too. */
export interface DialedConnections extends ByteSource {
  /** As `dial`. The connection ends when `signal` aborts, or by `close`. */
  dial(protocols: readonly AlpnProtocol[], signal?: AbortSignal): Promise<net.Socket>;
  /** Ends every connection, and every `dial` under way. */
  close(reason: Error): void;
}

export function createDialedConnections(url: URL, tls: TlsOptions): DialedConnections {
  const life = new AbortController();
  const open = new Set<Dialed>();
  const past = { received: { xmpp: 0, socket: 0 }, sent: { xmpp: 0, socket: 0 } };

  const count = (direction: "received" | "sent"): ByteCount => {
    const sum = { ...past[direction] };
    for (const dialed of open) add(sum, dialed, direction);
    return sum;
  };

  return {
    async dial(protocols, signal) {
      const until = signal === undefined ? life.signal : AbortSignal.any([life.signal, signal]);
      const dialed = await dial(url, tls, until, protocols);
      open.add(dialed);
      // The socket's user handles its errors. Without this listener Node would throw an error before there is a user.
      dialed.socket.on("error", () => undefined);
      dialed.socket.once("close", () => {
        if (!open.delete(dialed)) return;
        add(past.received, dialed, "received");
        add(past.sent, dialed, "sent");
      });
      return dialed.socket;
    },
    get received() {
      return count("received");
    },
    get sent() {
      return count("sent");
    },
    close(reason) {
      life.abort(reason);
      for (const { socket, tcp } of open) {
        socket.destroy();
        tcp.destroy();
      }
    },
  };
}

function add(sum: ByteCount, { socket, tcp }: Dialed, direction: "received" | "sent"): void {
  const field = direction === "received" ? "bytesRead" : "bytesWritten";
  // A TLS socket counts the bytes inside TLS.
  sum.xmpp += socket[field];
  sum.socket += tcp[field];
}
