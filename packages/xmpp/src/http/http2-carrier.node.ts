import http2 from "node:http2";
import type net from "node:net";
import { createEncodingOffer, type OfferCosts } from "./encoding-offer.js";
import { XmppError } from "../base/errors.js";
import { readAnswer } from "./http-answer.node.js";
import { MAX_HEAD_BYTES, type CarrierRequest, type HttpCarrier } from "./http-carrier.node.js";
import type { HttpAnswer } from "./http-poster.node.js";

/** Time for the answer to a ping after an aborted request, in ms. Without an answer the connection is destroyed. */
const PING_MS = 2_000;

/** Most header pairs of one head, ours or the server's. 100: far more than any proxy adds. */
const MAX_HEADER_PAIRS = 100;

/** Most memory of one connection, in MB (Node's unit): an answer, its unread part, and tables. */
const MAX_SESSION_MB = 16;

const ACCEPT = { "accept-encoding": "gzip" };

/**
 * The request's header takes one byte from the second request on. nginx writes out `content-encoding` in each answer.
 */
const OFFER_COSTS: OfferCosts = { requestBytes: 1, answerBytes: 20 };

const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR } = http2.constants;

/**
 * Sends all requests in HTTP/2 (RFC 9113), on one connection whose TLS has agreed on it. A repeated header takes one
 * byte. Only the path and the length are written out.
 */
export function createHttp2Carrier(url: URL, socket: net.Socket, maxAnswerBytes: number): HttpCarrier {
  const session = http2.connect(url.origin, {
    createConnection: () => socket,
    // RFC 9113 §8.4: the server must not push.
    settings: { enablePush: false, maxHeaderListSize: MAX_HEAD_BYTES },
    maxHeaderListPairs: MAX_HEADER_PAIRS,
    maxSessionMemory: MAX_SESSION_MB,
  });
  const offer = createEncodingOffer(OFFER_COSTS);
  let failure: Error | undefined;
  let leaving = false;
  session.on("error", (error: Error) => {
    failure ??= error;
  });
  // RFC 9113 §6.8: requests under way may still be answered. A new request needs another connection.
  session.on("goaway", () => {
    leaving = true;
  });
  session.on("close", () => {
    clearTimeout(pingTimer);
  });

  let pingTimer: ReturnType<typeof setTimeout> | undefined;
  const checkLife = (): void => {
    if (pingTimer !== undefined || session.destroyed) return;
    pingTimer = setTimeout(() => {
      session.destroy();
    }, PING_MS);
    try {
      session.ping((error) => {
        if (error !== null) return;
        clearTimeout(pingTimer);
        pingTimer = undefined;
      });
    } catch {
      // It is going already.
    }
  };

  const post = ({ bytes, signal, onLeft }: CarrierRequest): Promise<HttpAnswer> =>
    new Promise((resolve, reject) => {
      const asked = offer.isWorthIt();
      let answered = false;
      const stream = session.request({
        ":method": "POST",
        ":path": url.pathname + url.search,
        "content-type": "text/xml; charset=utf-8",
        ...(asked && ACCEPT),
        // HTTP/2 does not need it. But a proxy may pass the request to an HTTP/1.1 server that refuses chunks.
        "content-length": bytes.length,
      });
      const fail = (error?: unknown): void => {
        reject(toFault(error ?? failure, stream));
      };
      const onAbort = (): void => {
        reject(signal.reason as Error);
        stream.close(NGHTTP2_CANCEL);
        checkLife();
      };
      signal.addEventListener("abort", onAbort, { once: true });
      stream.on("finish", onLeft);
      stream.on("error", fail);
      stream.on("close", () => {
        signal.removeEventListener("abort", onAbort);
        onLeft();
        if (!answered) fail();
      });
      stream.on("response", (head, _flags, rawHead: readonly string[] = []) => {
        answered = true;
        // Node accepts four times as much, whatever `maxHeaderListSize` is.
        if (rawHead.reduce((sum, text) => sum + text.length, 0) > MAX_HEAD_BYTES) {
          reject(
            new XmppError("protocol", `the answer's head is longer than ${String(MAX_HEAD_BYTES)} bytes`),
          );
          stream.close(NGHTTP2_CANCEL);
          return;
        }
        const length = head["content-length"];
        readAnswer(stream, head, maxAnswerBytes).then((answer) => {
          // The caller may abort an answered request before the stream closes. That is no reason for a ping.
          signal.removeEventListener("abort", onAbort);
          const { text, sentBytes } = answer;
          offer.onAnswer({ asked, ...answer });
          // A reset looks like an end. Without an announced length, only the end of gzip or of the XML shows a cut.
          if (stream.rstCode !== NGHTTP2_NO_ERROR || (length !== undefined && Number(length) !== sentBytes))
            fail(new XmppError("disconnected", "the answer was cut off"));
          else resolve({ status: head[":status"] ?? 0, text });
        }, fail);
      });
      stream.end(bytes);
    });

  return {
    get isUsable() {
      return !leaving && !session.closed && !session.destroyed;
    },
    async post(request) {
      request.signal.throwIfAborted();
      try {
        return await post(request);
      } catch (error) {
        // `session.request` throws when the session has just ended.
        throw error instanceof XmppError || request.signal.aborted ? error : toFault(error);
      }
    },
    close() {
      session.destroy();
    },
  };
}

function toFault(error: unknown, stream?: http2.ClientHttp2Stream): Error {
  if (error instanceof XmppError) return error;
  const cause = error as (Error & { code?: string }) | undefined;
  const code = stream?.rstCode ?? NGHTTP2_NO_ERROR;
  const text = cause?.message ?? `the stream was closed with code ${String(code)}`;
  // The code with which nghttp2 says that the answer is not HTTP/2.
  return new XmppError(
    cause?.code === "ERR_HTTP2_ERROR" ? "protocol" : "disconnected",
    `the HTTP request failed: ${text}`,
    { cause },
  );
}
