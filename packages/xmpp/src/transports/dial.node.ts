import net from "node:net";
import tls from "node:tls";
import { hostOf } from "./service-url.js";
import { toXmppError } from "../stanzas/stream-errors.js";
import type { TlsOptions } from "./stream-socket.node.js";

/** One connection below HTTP. `tcp` carries the data of `socket`, encrypted or not. Without TLS they are the same. */
export interface Dialed {
  readonly socket: net.Socket;
  readonly tcp: net.Socket;
}

/** RFC 7301: a protocol that the client offers to use inside TLS. */
export type AlpnProtocol = "h2" | "http/1.1";

/** Silence after which TCP sends probes, in ms. */
const KEEP_ALIVE_MS = 30_000;

/**
 * Connects by TCP, and by TLS for `https:` and `wss:`. The certificate must be for the URL's host or for the XMPP
 * domain (XEP-0156 §3). Rejects with `XmppError`, or with the signal's reason when the signal aborts. An abort after
 * `dial` has resolved destroys the connection.
 */
export async function dial(
  url: URL,
  options: TlsOptions,
  signal: AbortSignal,
  protocols: readonly AlpnProtocol[] = ["http/1.1"],
): Promise<Dialed> {
  signal.throwIfAborted();
  const secure = url.protocol === "https:" || url.protocol === "wss:";
  const host = hostOf(url);
  const port = url.port === "" ? (secure ? 443 : 80) : Number(url.port);
  const tcp = new net.Socket();
  const onAbort = (): void => void tcp.destroy();
  signal.addEventListener("abort", onAbort, { once: true });
  tcp.once("close", () => {
    signal.removeEventListener("abort", onAbort);
  });
  let stage: "connect" | "tls" = "connect";
  try {
    await until(tcp, "connect", () =>
      tcp.connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS }),
    );
    if (!secure) return { socket: tcp, tcp };
    stage = "tls";
    const key = `${url.protocol}//${url.host}`;
    const session = options.sessions?.get(key);
    const socket = tls.connect({
      socket: tcp,
      host,
      ...(net.isIP(host) === 0 && { servername: host }),
      ...(options.secureContext && { secureContext: options.secureContext }),
      ...(session && { session }),
      ALPNProtocols: [...protocols],
      checkServerIdentity: (name, certificate) => {
        const failure = tls.checkServerIdentity(name, certificate);
        return failure && tls.checkServerIdentity(options.domain, certificate) && failure;
      },
    });
    socket.on("session", (fresh) => options.sessions?.set(key, fresh));
    // The TLS socket reports the errors of the TCP socket. This listener keeps Node from throwing them as well.
    tcp.on("error", () => undefined);
    await until(socket, "secureConnect", () => undefined);
    return { socket, tcp };
  } catch (error) {
    tcp.destroy();
    throw signal.aborted ? signal.reason : toXmppError(error, stage);
  }
}

function until(socket: net.Socket, event: string, begin: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      socket.off(event, onEvent).off("error", onError).off("close", onClose);
      settle();
    };
    const onEvent = (): void => {
      finish(resolve);
    };
    const onError = (error: Error): void => {
      // The socket's user handles later errors. Without this listener Node would throw an error before there is a user.
      socket.on("error", () => undefined);
      finish(() => {
        reject(error);
      });
    };
    const onClose = (): void => {
      finish(() => {
        reject(new Error("the connection was closed"));
      });
    };
    socket.on(event, onEvent).on("error", onError).on("close", onClose);
    begin();
  });
}
