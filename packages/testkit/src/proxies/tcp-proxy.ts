import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { createFaultyPipe, NO_FAULTS, type FaultyPipe, type PipeFaults } from "./faulty-pipe.js";

/** A TCP proxy on loopback with the faults of a network between a client and its server. */
export interface TcpProxy {
  readonly port: number;
  /** Number of connections open now, at either end. */
  readonly connections: number;
  /** Number of connections accepted so far. */
  readonly accepted: number;
  /** Faults of bytes from clients to the server. */
  readonly toServer: PipeFaults;
  /** Faults of bytes from the server to clients. */
  readonly toClient: PipeFaults;
  /** Resets every connection (RST). */
  cut(): void;
  /**
   * Closes that end of every present connection, without a sign to the other end. What the other end still writes is
   * lost, and it receives nothing more. Later connections are not affected.
   */
  halfOpen(closed: "client" | "server"): void;
  /**
   * On every present connection, loses all bytes in that direction from now on, and ends too. The other direction
   * works. Later connections are not affected.
   */
  silence(direction: "toServer" | "toClient"): void;
  /** While true, new connections are cut at once. */
  refuse: boolean;
  /** While true, bytes and ends are lost in both directions. Connections stay open. */
  stall: boolean;
  /** Ends every fault. What has already happened stays. */
  heal(): void;
  /** Cuts every connection, and stops listening. */
  close(): Promise<void>;
}

/** One connection through the proxy. */
interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  readonly toServer: FaultyPipe;
  readonly toClient: FaultyPipe;
}

export async function startTcpProxy(target: {
  readonly host: string;
  readonly port: number;
}): Promise<TcpProxy> {
  const pairs = new Set<Pair>();
  const toServer = { ...NO_FAULTS };
  const toClient = { ...NO_FAULTS };
  let accepted = 0;

  const stopPipes = (pair: Pair): void => {
    pair.toServer.stop();
    pair.toClient.stop();
  };
  const forget = (pair: Pair): void => {
    stopPipes(pair);
    pairs.delete(pair);
  };

  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    accepted++;
    client.on("error", () => undefined);
    if (proxy.refuse) {
      client.resetAndDestroy();
      return;
    }
    const server = connect({ ...target, allowHalfOpen: true, noDelay: true });
    server.on("error", () => undefined);
    const pair: Pair = {
      client,
      server,
      toServer: createFaultyPipe(client, server, toServer, () => proxy.stall || toServer.drop),
      toClient: createFaultyPipe(server, client, toClient, () => proxy.stall || toClient.drop),
    };
    pairs.add(pair);
    for (const socket of [client, server]) {
      socket.on("close", () => {
        if (client.destroyed && server.destroyed) forget(pair);
      });
    }
  });

  const proxy: TcpProxy = {
    get port() {
      return (listener.address() as AddressInfo).port;
    },
    get connections() {
      return pairs.size;
    },
    get accepted() {
      return accepted;
    },
    toServer,
    toClient,
    refuse: false,
    stall: false,
    cut() {
      for (const pair of pairs) {
        forget(pair);
        reset(pair.client);
        reset(pair.server);
      }
    },
    halfOpen(closed) {
      for (const pair of pairs) {
        stopPipes(pair);
        pair[closed].destroy();
      }
    },
    silence(direction) {
      for (const pair of pairs) pair[direction].stop();
    },
    heal() {
      Object.assign(toServer, NO_FAULTS);
      Object.assign(toClient, NO_FAULTS);
      proxy.refuse = proxy.stall = false;
    },
    async close() {
      proxy.cut();
      if (listener.listening) await new Promise<void>((resolve) => listener.close(() => resolve()));
    },
  };
  await new Promise<void>((resolve, reject) => {
    listener.once("error", reject);
    listener.listen(0, "127.0.0.1", resolve);
  });
  return proxy;
}

/**
 * Node cannot reset a socket that is sending its end. Such a socket would stay open, and the process would never exit.
 */
function reset(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy();
  else socket.resetAndDestroy();
}
