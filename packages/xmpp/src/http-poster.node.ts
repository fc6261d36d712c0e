import http from "node:http";
import type net from "node:net";
import type { ByteCount, ByteSource } from "./byte-meter.js";
import { dial, type Dialed } from "./dial.node.js";
import { XmppError } from "./errors.js";
import type { TlsOptions } from "./stream-socket.node.js";

export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

/** Posts XML to one address, with few headers over few connections. Counts HTTP's bytes, headers included. */
export interface HttpPoster extends ByteSource {
  /**
   * Rejects with `XmppError`: `disconnected` and `unreachable` are faults of the network, after which the same may be
   * sent again; others are final. Never follows a redirect.
   */
  post(body: string, signal: AbortSignal): Promise<HttpAnswer>;
  /** When the last request had left for the network (`performance.now()`); Infinity while one has not. */
  readonly lastLeftAt: number;
  /** Ends what is under way, and every connection. */
  close(): void;
}

export interface HttpPosterOptions {
  readonly tls: TlsOptions;
  /** Largest answer's body taken, in bytes. */
  readonly maxAnswerBytes: number;
}

/** Largest head of an answer, in bytes: proxies add cookies and policies, and it bounds what a hostile one holds. */
const MAX_HEAD_BYTES = 16_384;

export function createHttpPoster(url: URL, { tls, maxAnswerBytes }: HttpPosterOptions): HttpPoster {
  const life = new AbortController();
  const open = new Set<Dialed>();
  const past = { received: { xmpp: 0, socket: 0 }, sent: { xmpp: 0, socket: 0 } };

  const count = (direction: "received" | "sent"): ByteCount => {
    const field = direction === "received" ? "bytesRead" : "bytesWritten";
    const sum = { ...past[direction] };
    for (const { socket, tcp } of open) {
      // Of a TLS socket these are the bytes inside TLS.
      sum.xmpp += socket[field];
      sum.socket += tcp[field];
    }
    return sum;
  };

  const connect = async (): Promise<net.Socket> => {
    const dialed = await dial(url, tls, life.signal);
    open.add(dialed);
    dialed.socket.once("close", () => {
      const [received, sent] = [count("received"), count("sent")];
      if (!open.delete(dialed)) return;
      const [receivedLeft, sentLeft] = [count("received"), count("sent")];
      for (const layer of ["xmpp", "socket"] as const) {
        past.received[layer] += received[layer] - receivedLeft[layer];
        past.sent[layer] += sent[layer] - sentLeft[layer];
      }
    });
    return dialed.socket;
  };

  const agent = new http.Agent({ keepAlive: true });
  agent.createConnection = ((_options: unknown, done: (error: Error | null, socket?: net.Socket) => void) => {
    connect().then(
      (socket) => {
        done(null, socket);
      },
      (error: unknown) => {
        done(error as Error);
      },
    );
  }) as typeof agent.createConnection;

  let leaving = 0;
  let lastLeftAt = -Infinity;
  const post = (body: string, signal: AbortSignal): Promise<HttpAnswer> =>
    new Promise((resolve, reject) => {
      leaving++;
      let left = false;
      const leave = (): void => {
        if (left) return;
        left = true;
        leaving--;
        lastLeftAt = performance.now();
      };
      const bytes = Buffer.from(body);
      const request = http.request({
        agent,
        signal,
        method: "POST",
        host: url.hostname,
        port: url.port,
        path: url.pathname + url.search,
        maxHeaderSize: MAX_HEAD_BYTES,
        headers: {
          Host: url.host,
          "Content-Type": "text/xml; charset=utf-8",
          "Content-Length": bytes.length,
        },
      });
      // HTTP/1.1 keeps connections anyway (RFC 9112 §9.3).
      request.removeHeader("Connection");
      const fail = (error: unknown): void => {
        reject(toFault(error, signal));
      };
      // All of it is with the operating system, on a connection that stands.
      request.on("finish", leave);
      request.on("close", leave);
      request.on("error", fail);
      request.on("response", (response) => {
        readAnswer(response, maxAnswerBytes).then((text) => {
          resolve({ status: response.statusCode ?? 0, text });
        }, fail);
      });
      request.end(bytes);
    });

  return {
    post,
    get received() {
      return count("received");
    },
    get sent() {
      return count("sent");
    },
    get lastLeftAt() {
      return leaving > 0 ? Infinity : lastLeftAt;
    },
    close() {
      life.abort(new XmppError("stopped", "the connection was stopped"));
      agent.destroy();
      for (const { socket, tcp } of open) {
        socket.destroy();
        tcp.destroy();
      }
    },
  };
}

export function readAnswer(response: http.IncomingMessage, maxBytes: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const refuse = (): void => {
      reject(new XmppError("protocol", `the answer is longer than ${String(maxBytes)} bytes`));
      response.destroy();
    };
    if (Number(response.headers["content-length"] ?? 0) > maxBytes) {
      refuse();
      return;
    }
    response.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > maxBytes) return refuse();
      chunks.push(chunk);
    });
    response.on("error", reject);
    response.on("end", () => {
      try {
        resolve(new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(chunks, length)));
      } catch (cause) {
        reject(new XmppError("protocol", "the answer is not UTF-8", { cause }));
      }
    });
  });
}

function toFault(error: unknown, signal: AbortSignal): Error {
  if (signal.aborted) return signal.reason as Error;
  if (error instanceof XmppError) return error;
  const cause = error as Error & { code?: string };
  // Node's HTTP parser: the other end speaks no HTTP, or too much of it.
  const code = cause.code?.startsWith("HPE_") === true ? "protocol" : "disconnected";
  return new XmppError(code, `the HTTP request failed: ${cause.message || String(cause.code)}`, { cause });
}
