import http from "node:http";
import type net from "node:net";
import { createEncodingOffer, type OfferCosts } from "./encoding-offer.js";
import { XmppError } from "../base/errors.js";
import { readAnswer } from "./http-answer.node.js";
import { MAX_HEAD_BYTES, type HttpCarrier } from "./http-carrier.node.js";

const ACCEPT = { "Accept-Encoding": "gzip" };

/** A compressed answer has `Content-Encoding`, and `Transfer-Encoding` with chunks in the place of `Content-Length`. */
const OFFER_COSTS: OfferCosts = { requestBytes: 23, answerBytes: 43 };

/** Sends requests in HTTP/1.1, with one connection for each request under way. */
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
    // The agent replaces broken connections.
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
        // HTTP/1.1 keeps connections without this header (RFC 9112 §9.3).
        request.removeHeader("Connection");
        const fail = (error: unknown): void => {
          reject(toFault(error, signal));
        };
        // Node emits `finish` when the operating system has the whole request, on an open connection.
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
  // Codes of Node's HTTP parser: the answer is not HTTP, or its head is too long.
  const code = cause.code?.startsWith("HPE_") === true ? "protocol" : "disconnected";
  return new XmppError(code, `the HTTP request failed: ${cause.message || String(cause.code)}`, { cause });
}
