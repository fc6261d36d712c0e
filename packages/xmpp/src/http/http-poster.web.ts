import { monotonicNow } from "../base/clock.js";
import { XmppError } from "../base/errors.js";
import { readAnswer } from "./http-answer.web.js";
import type { HttpPoster, HttpPosterOptions } from "./http-poster.node.js";

/**
 * As in `http-poster.node.ts`, with the browser's `fetch`. The browser decides which authorities it trusts. `fetch`
 * shows only bodies, so the headers are not counted: some 300 to 600 bytes each way.
 */
export function createHttpPoster(url: URL, { maxAnswerBytes }: HttpPosterOptions): HttpPoster {
  const life = new AbortController();
  const utf8 = new TextEncoder();
  let [received, sent] = [0, 0];
  let lastLeftAt = -Infinity;

  return {
    async post(body, signal) {
      const bytes = utf8.encode(body);
      sent += bytes.length;
      lastLeftAt = monotonicNow();
      try {
        const response = await fetch(url, {
          method: "POST",
          body: bytes,
          headers: { "Content-Type": "text/xml; charset=utf-8" },
          signal: AbortSignal.any([signal, life.signal]),
          // A redirect has the status 0 then, which is final.
          redirect: "manual",
        });
        const text = await readAnswer(response, maxAnswerBytes, (count) => (received += count));
        return { status: response.status, text };
      } catch (cause) {
        if (signal.aborted) throw signal.reason;
        if (cause instanceof XmppError) throw cause;
        throw new XmppError("disconnected", "the HTTP request failed", { cause });
      }
    },
    get received() {
      return { xmpp: received, socket: received };
    },
    get sent() {
      return { xmpp: sent, socket: sent };
    },
    get lastLeftAt() {
      return lastLeftAt;
    },
    close() {
      life.abort(new XmppError("stopped", "the connection was stopped"));
    },
  };
}
