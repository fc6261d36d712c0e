import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";

/**
 * Passes TCP connections on to the same ports of 127.0.0.1, where the servers listen: a namespace reaches our end of its
 * pair only. Bytes go on as they come, unchanged and without delay.
 */
export interface Forwarder {
  /** Idempotent. */
  close(): Promise<void>;
}

export async function openForwarder(host: string, ports: readonly number[]): Promise<Forwarder> {
  const sockets = new Set<Socket>();
  const servers: Server[] = [];
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await Promise.all(
      servers.splice(0).map((server) => new Promise<void>((resolve) => server.close(() => resolve()))),
    );
  };
  try {
    for (const port of ports) {
      const server = createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
        const far = connect({ host: "127.0.0.1", port, noDelay: true, allowHalfOpen: true });
        for (const [from, to] of [
          [near, far],
          [far, near],
        ] as const) {
          sockets.add(from);
          from.pipe(to);
          from.on("error", () => to.destroy());
          from.once("close", () => {
            sockets.delete(from);
            // A half that is still writing ends with its pipe.
            if (!from.readableEnded) to.destroy();
          });
        }
      });
      servers.push(server);
      server.listen({ host, port });
      await once(server, "listening");
    }
    return { close };
  } catch (error) {
    await close();
    throw error;
  }
}
