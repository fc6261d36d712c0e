import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { Certificate } from "./certificate.js";

/**
 * Passes connections on to ports of 127.0.0.1, where the servers listen: a namespace reaches only our end of its pair.
 * Bytes are passed on at once. With a certificate the forwarder first removes TLS, as the web server does that users
 * have in front of WebSocket and BOSH.
 */
export interface Forwarder {
  readonly port: number;
  /** Idempotent. */
  close(): Promise<void>;
}

/** Listens on a free port of `host`. */
export async function openForwarder(
  host: string,
  port: number,
  certificate?: Certificate,
): Promise<Forwarder> {
  const sockets = new Set<Socket>();
  const pass = (near: Socket): void => {
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
        // A direction that is still writing ends with its pipe.
        if (!from.readableEnded) to.destroy();
      });
    }
  };
  const options = { noDelay: true, allowHalfOpen: true };
  const server: Server =
    certificate === undefined
      ? createServer(options, pass)
      : // HTTP/1.1 only, as both servers behind the forwarder have no HTTP/2.
        createTlsServer({ ...options, ...certificate, ALPNProtocols: ["http/1.1"] }, pass);
  server.on("tlsClientError", () => undefined); // the client reports the error
  server.listen({ host, port: 0 });
  await once(server, "listening");
  let closed: Promise<void> | undefined;
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      closed ??= new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      });
      return closed;
    },
  };
}
