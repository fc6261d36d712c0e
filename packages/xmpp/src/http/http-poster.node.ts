import { monotonicNow } from "../base/clock.js";
import type net from "node:net";
import type { ByteSource } from "../transports/byte-meter.js";
import { createDialedConnections } from "./dialed-connections.node.js";
import { XmppError } from "../base/errors.js";
import type { HttpCarrier } from "./http-carrier.node.js";
import { createHttp1Carrier } from "./http1-carrier.node.js";
import { createHttp2Carrier } from "./http2-carrier.node.js";
import type { TlsOptions } from "../transports/stream-socket.node.js";

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

/** Posts XML to one address, with few headers and few connections. Counts the bytes of HTTP, headers included. */
export interface HttpPoster extends ByteSource {
  /**
   * Rejects with `XmppError`, or with the signal's reason when the signal aborts. `disconnected` and `unreachable` are
   * faults of the network: the caller may send the same body again. All other codes are final. Never follows a
   * redirect.
   */
  post(body: string, signal: AbortSignal): Promise<HttpAnswer>;
  /**
   * Time at which the operating system had the whole last request (`monotonicNow()`). Infinity while it has not, and
   * -Infinity before the first request.
   */
  readonly lastLeftAt: number;
  /** Ends all requests under way, and every connection. */
  close(): void;
}

export interface HttpPosterOptions {
  readonly tls: TlsOptions;
  /** Largest accepted body of an answer, in bytes, both as received and inflated. */
  readonly maxAnswerBytes: number;
}

/** Uses HTTP/2 when TLS agrees on it (RFC 7301), otherwise HTTP/1.1. */
export function createHttpPoster(url: URL, { tls, maxAnswerBytes }: HttpPosterOptions): HttpPoster {
  const connections = createDialedConnections(url, tls);
  let current: HttpCarrier | undefined;
  let connecting: { readonly carrier: Promise<HttpCarrier>; readonly cancel: AbortController } | undefined;

  /** `first` is an open connection, which the first request uses. */
  const useHttp1 = (first?: net.Socket): HttpCarrier => {
    let spare = first;
    const connect = (): Promise<net.Socket> => {
      const socket = spare;
      spare = undefined;
      return socket === undefined || socket.destroyed
        ? connections.dial(["http/1.1"])
        : Promise.resolve(socket);
    };
    return createHttp1Carrier(url, connect, maxAnswerBytes);
  };

  const choose = async (signal: AbortSignal): Promise<HttpCarrier> => {
    const socket = await connections.dial(["h2", "http/1.1"], signal);
    const isHttp2 = "alpnProtocol" in socket && socket.alpnProtocol === "h2";
    return isHttp2 ? createHttp2Carrier(url, socket, maxAnswerBytes) : useHttp1(socket);
  };

  const use = (carrier: HttpCarrier): HttpCarrier => (current = carrier);

  const carrierFor = async (signal: AbortSignal): Promise<HttpCarrier> => {
    if (current?.isUsable === true) return current;
    if (url.protocol === "http:") return use(useHttp1());
    // Requests that are made together share one connection, even while it is being made.
    if (connecting === undefined) {
      const cancel = new AbortController();
      const attempt = { carrier: choose(cancel.signal).then(use), cancel };
      connecting = attempt;
      const end = (): void => {
        if (connecting === attempt) connecting = undefined;
      };
      attempt.carrier.then(end, end);
    }
    const { carrier, cancel } = connecting;
    // A caller aborts after a long wait. So the next attempt makes a connection of its own.
    const onAbort = (): void => {
      connecting = undefined;
      cancel.abort(new XmppError("disconnected", "the connection was given up"));
    };
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await carrier;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  };

  let leaving = 0;
  let lastLeftAt = -Infinity;
  /** Counts a request as leaving. Returns the function to call, once or more often, when the request has left. */
  const depart = (): (() => void) => {
    leaving++;
    let left = false;
    return () => {
      if (left) return;
      left = true;
      leaving--;
      lastLeftAt = monotonicNow();
    };
  };

  return {
    async post(body, signal) {
      signal.throwIfAborted();
      const onLeft = depart();
      try {
        const carrier = await carrierFor(signal);
        return await carrier.post({ bytes: Buffer.from(body), signal, onLeft });
      } catch (error) {
        throw signal.aborted ? signal.reason : error;
      } finally {
        onLeft();
      }
    },
    get received() {
      return connections.received;
    },
    get sent() {
      return connections.sent;
    },
    get lastLeftAt() {
      return leaving > 0 ? Infinity : lastLeftAt;
    },
    close() {
      current?.close();
      connections.close(new XmppError("stopped", "the connection was stopped"));
    },
  };
}
