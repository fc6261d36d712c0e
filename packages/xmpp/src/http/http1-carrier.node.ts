import http from "node:http";
import type net from "node:net";
import { createEncodingOffer, type OfferCosts } from "./encoding-offer.js";
import { XmppError } from "../base/errors.js";
import { readAnswer } from "./http-answer.node.js";
import { MAX_HEAD_BYTES, type HttpCarrier } from "./http-carrier.node.js";

const ACCEPT = { "Accept-Encoding": "gzip" };

/** An answer then has `Content-Encoding`, and `Transfer-Encoding` with its chunks in place of `Content-Length`. */
const OFFER_COSTS: OfferCosts = { requestBytes: 23, answerBytes: 43 };

/** In HTTP/1.1, a connection for each request under way. */
export function createHttp1Carrier(
  url: URL,
  connect: () => Promise<net.Socket>,
  maxAnswerBytes: number,
): HttpCarrier {
  const offer = createEncodingOffer(OFFER_COSTS);
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

  return {
    // Connections that break are its own concern.
    isUsable: true,
    post: ({ bytes, signal, onLeft }) =>
      new Promise((resolve, reject) => {
        const asked = offer.isWorthIt();
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
            ...(asked && ACCEPT),
            "Content-Length": bytes.length,
          },
        });
        // HTTP/1.1 keeps connections anyway (RFC 9112 §9.3).
        request.removeHeader("Connection");
        const fail = (error: unknown): void => {
          reject(toFault(error, signal));
        };
        // All of it is with the operating system, on a connection that stands.
        request.on("finish", onLeft);
        request.on("close", onLeft);
        request.on("error", fail);
        request.on("response", (response) => {
          readAnswer(response, response.headers, maxAnswerBytes).then((answer) => {
            offer.onAnswer({ asked, ...answer });
            resolve({ status: response.statusCode ?? 0, text: answer.text });
          }, fail);
        });
        request.end(bytes);
      }),
    close() {
      agent.destroy();
    },
  };
}

function toFault(error: unknown, signal: AbortSignal): Error {
  if (signal.aborted) return signal.reason as Error;
  if (error instanceof XmppError) return error;
  const cause = error as Error & { code?: string };
  // Node's HTTP parser: the other end speaks no HTTP, or too much of it.
  const code = cause.code?.startsWith("HPE_") === true ? "protocol" : "disconnected";
  return new XmppError(code, `the HTTP request failed: ${cause.message || String(cause.code)}`, { cause });
}
