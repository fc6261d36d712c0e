import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** Passes one client's connection on, until it stops reading what the server writes. */
export interface StoppableProxy {
  /** `xmpp://127.0.0.1:PORT`. */
  readonly url: string;
  /**
   * Reads nothing more from the server, so the server's socket to the proxy becomes full. What the client writes still
   * passes.
   */
  stopReading(): void;
  close(): Promise<void>;
}

export async function startStoppableProxy(url: string): Promise<StoppableProxy> {
  const { hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  const upstreams = new Set<Socket>();
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ host: hostname, port: Number(port), noDelay: true });
    upstreams.add(far);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("data", (bytes: Buffer) => void to.write(bytes));
      from.on("error", () => undefined);
      from.on("close", () => to.destroy());
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `xmpp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stopReading() {
      for (const far of upstreams) far.pause();
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
