import { monotonicNow } from "../base/clock.js";
import { EventEmitter } from "@xmpp/events";
import { formatBody, toConditionError, type BoshBody } from "./bosh-body.js";
import { createBoshCourier, DEFAULT_BOSH_TIMING, type BoshCourier, type BoshTiming } from "./bosh-courier.js";
import { BoshWindow } from "./bosh-window.js";
import type { ByteCount } from "../transports/byte-meter.js";
import { XmppError } from "../base/errors.js";
import { FRAMED_CLOSE, splitFrames } from "../transports/framing.js";
import { createHttpPoster, type HttpPoster, type HttpPosterOptions } from "../http/http-poster.node.js";
import * as NS from "../base/namespaces.js";
import { randomUint32 } from "../base/random.js";
import { isLoopback } from "../transports/service-url.js";
import type { TransportSocket } from "../transports/transport.js";

export interface BoshOptions extends HttpPosterOptions {
  readonly timing?: Partial<BoshTiming> | undefined;
  /** Domain of the server, as in JIDs. Default: the domain of `tls`. */
  readonly domain?: string | undefined;
  /** The bare JID that will log in. The first request has it when the connection is secure. */
  readonly from?: string | undefined;
}

/**
 * Least time between two requests under way, in ms. They use different connections, so the later one may overtake.
 * ejabberd (23.01) sets such a request aside until the one before is answered. It holds that one for `wait`: half a
 * minute.
 */
const SPACING_MS = 20;
/** Largest spacing, in ms. The spacing grows when the times of answers differ more: a busy proxy, a bad network. */
const MAX_SPACING_MS = 500;

/**
 * Waiting text is joined into bodies of at most this many characters, or one stanza. Servers and proxies accept far
 * more.
 */
const MAX_BODY_CHARS = 65_536;

/**
 * Delay of an empty request before the stream is authenticated, in ms. At that time the client sends next. A server
 * could take an empty request for the restart that is due, as Prosody does. SASL2 has no restart (XEP-0388 §2.6).
 */
const LAZY_POLL_MS = 250;

/** Most requests under way, even if the server allows more. Each takes a connection, and its content counts as sent. */
const MAX_WINDOW = 8;

type Outgoing =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "restart" }
  | { readonly kind: "pause"; readonly seconds: number }
  | { readonly kind: "terminate" };

/** Terms in the session creation response (XEP-0124 §7.2). */
interface SessionTerms {
  readonly sid: string;
  readonly inactivityMs: number;
  readonly pollingMs: number;
  readonly maxPauseMs: number;
  /** The server holds no requests, so the client must ask repeatedly (XEP-0124 §12). */
  readonly isPolling: boolean;
}

/**
 * One XMPP stream over BOSH (XEP-0124, XEP-0206). To the stream it looks like a WebSocket. RFC 7395's `<open/>` creates
 * the session or restarts it, `<close/>` ends it, and each `data` has whole elements. Its XMPP bytes are the bytes of
 * HTTP, headers included.
 */
export class BoshSocket extends EventEmitter implements TransportSocket {
  readonly kind = "bosh";
  readonly framed = true;
  readonly secure: boolean;
  readonly #domain: string;
  readonly #from: string | undefined;
  readonly #timing: BoshTiming;
  readonly #poster: HttpPoster;
  readonly #courier: BoshCourier;
  // XEP-0124 §14.1: random, and so far below 2^53 that no session reaches that. Small, since each request has its
  // digits.
  readonly #window = new BoshWindow<BoshBody>(randomUint32());
  #terms: SessionTerms | undefined;
  #outgoing: Outgoing[] = [];
  #waitingChars = 0;
  #pumpScheduled = false;
  #pollTimer: ReturnType<typeof setTimeout> | undefined;
  #spacingTimer: ReturnType<typeof setTimeout> | undefined;
  #pausedUntil = 0;
  /** The last request was empty, and so was its answer. */
  #idlePoll = false;
  /** No restart is due any more: the client has sent it, or SASL2 needs none. */
  #mayPoll = false;
  /** `<open/>` is written and not answered yet. */
  #opening: "session" | "stream" | undefined;
  #terminating = false;
  #closed = false;
  #onIdle: (() => void) | undefined;

  constructor(url: URL, options: BoshOptions) {
    super();
    this.secure = url.protocol === "https:" || isLoopback(url);
    this.#domain = options.domain ?? options.tls.domain;
    // RFC 6120 §4.7.1: only on encrypted streams.
    this.#from = this.secure ? options.from : undefined;
    this.#timing = { ...DEFAULT_BOSH_TIMING, ...options.timing };
    this.#poster = createHttpPoster(url, options);
    this.#courier = createBoshCourier(this.#poster, this.#timing, {
      onAnswer: (rid, body) => {
        for (const due of this.#window.answer(rid, body)) this.#deliver(due);
        if (this.#window.unansweredCount === 0 && this.#outgoing.length === 0) this.#onIdle?.();
        this.#schedulePump();
      },
      onFail: (error) => {
        this.#fail(error);
      },
    });
    // Without any listener a late error would end the process.
    this.on("error", () => undefined);
  }

  get received(): ByteCount {
    return this.#poster.received;
  }

  get sent(): ByteCount {
    return this.#poster.sent;
  }

  get waitingBytes(): number {
    return this.#waitingChars;
  }

  write(text: string, done?: (error?: Error | null) => void): boolean {
    if (this.#closed || this.#terminating) {
      done?.(new XmppError("disconnected", "the BOSH session is closed"));
      return false;
    }
    for (const frame of splitFrames(text)) {
      if (frame.startsWith("<open ")) this.#open();
      else if (frame.startsWith("<close ")) this.#push({ kind: "terminate" });
      else {
        if (frame.startsWith("<authenticate ")) this.#mayPoll = true;
        this.#push({ kind: "text", text: frame });
      }
    }
    done?.();
    return this.#waitingChars === 0;
  }

  #open(): void {
    if (this.#terms !== undefined || this.#window.unansweredCount > 0) {
      this.#opening = "stream";
      this.#push({ kind: "restart" });
      return;
    }
    this.#opening = "session";
    this.#send({
      to: this.#domain,
      from: this.#from,
      ver: "1.6",
      wait: Math.ceil(this.#timing.waitMs / 1000),
      hold: 1,
      content: "text/xml; charset=utf-8",
      "xml:lang": "en",
      "xmpp:version": "1.0",
      "xmlns:xmpp": NS.XBOSH,
    });
  }

  #push(item: Outgoing): void {
    this.#outgoing.push(item);
    if (item.kind === "text") this.#waitingChars += item.text.length;
    if (item.kind === "terminate") this.#terminating = true;
    this.#pausedUntil = 0;
    this.#schedulePump();
  }

  /** Sends at the end of the tick, so that one request has everything written in this tick. */
  #schedulePump(): void {
    if (this.#pumpScheduled) return;
    this.#pumpScheduled = true;
    queueMicrotask(() => {
      this.#pumpScheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#closed || this.#terms === undefined) return;
    clearTimeout(this.#pollTimer);
    const waited = this.#waitingChars > 0;
    for (;;) {
      const [head] = this.#outgoing;
      if (head === undefined) break;
      // XEP-0124 §11: these two may exceed the window by one request.
      const extra = head.kind === "pause" || head.kind === "terminate" ? 1 : 0;
      if (!this.#window.hasRoom(extra)) break;
      const spacing = this.#spacingMs();
      if (spacing > 0) {
        this.#spacingTimer ??= setTimeout(() => {
          this.#spacingTimer = undefined;
          this.#pump();
        }, spacing);
        break;
      }
      this.#sendNext(head);
    }
    if (waited && !this.#closed) this.emit("drain");
    if (this.#window.unansweredCount === 0 && !this.#terminating) this.#schedulePoll(this.#terms);
  }

  /** Time that the next request must wait, in ms, so that it does not overtake the one before on another connection. */
  #spacingMs(): number {
    if (this.#window.unansweredCount === 0) return 0;
    const { lastLeftAt } = this.#poster;
    const spacing = Math.min(MAX_SPACING_MS, Math.max(SPACING_MS, this.#courier.unevenMs));
    return lastLeftAt === Infinity ? spacing : lastLeftAt + spacing - monotonicNow();
  }

  #sendNext(head: Outgoing): void {
    switch (head.kind) {
      case "text": {
        const content = this.#takeText();
        // The last text shares a request with the end of the session.
        const isLast = this.#outgoing[0]?.kind === "terminate";
        if (isLast) this.#outgoing.shift();
        return this.#send(isLast ? { type: "terminate" } : {}, content);
      }
      case "restart":
        this.#outgoing.shift();
        this.#mayPoll = true;
        // XEP-0206 §5
        return this.#send({
          to: this.#domain,
          "xml:lang": "en",
          "xmpp:restart": "true",
          "xmlns:xmpp": NS.XBOSH,
        });
      case "pause":
        this.#outgoing.shift();
        this.#pausedUntil = monotonicNow() + head.seconds * 1000;
        return this.#send({ pause: head.seconds });
      case "terminate":
        this.#outgoing.shift();
        return this.#send({ type: "terminate" });
    }
  }

  #takeText(): string {
    let text = "";
    for (;;) {
      const [head] = this.#outgoing;
      if (head?.kind !== "text" || (text !== "" && text.length + head.text.length > MAX_BODY_CHARS)) break;
      this.#outgoing.shift();
      text += head.text;
    }
    this.#waitingChars -= text.length;
    return text;
  }

  #send(attrs: Readonly<Record<string, string | number | undefined>>, content = ""): void {
    const sid = this.#terms?.sid;
    this.#idlePoll = content === "" && Object.keys(attrs).length === 0;
    this.#courier.send(this.#window.open(formatBody({ rid: this.#window.nextRid, sid, ...attrs }, content)));
  }

  /** Sends an empty request, which the server holds, or answers at once when it polls. */
  #schedulePoll(terms: SessionTerms): void {
    const poll = (): void => {
      if (this.#closed || this.#terminating || this.#window.unansweredCount > 0) return;
      this.#pausedUntil = 0;
      this.#send({});
    };
    const delay = this.#pollDelayMs(terms);
    if (delay > 0) this.#pollTimer = setTimeout(poll, delay);
    else poll();
  }

  #pollDelayMs(terms: SessionTerms): number {
    // Before the pause is over, since the request itself takes some time.
    const paused = (this.#pausedUntil - monotonicNow()) * 0.8;
    if (paused > 0) return paused;
    // XEP-0124 §12: two empty polls are at least `polling` apart, and requests at most `inactivity`.
    if (terms.isPolling && this.#idlePoll) return Math.min(terms.pollingMs, terms.inactivityMs / 2);
    return this.#mayPoll ? 0 : LAZY_POLL_MS;
  }

  #deliver({ attrs, content }: BoshBody): void {
    if (this.#closed) return;
    const isEnd = attrs["type"] === "terminate";
    if (content !== "") this.#idlePoll = false;
    if (this.#terms === undefined && !isEnd && !this.#begin(attrs)) return;
    // The answer to a restart has the features. Older answers, without content, may arrive before it.
    if (!isEnd && (this.#opening === "session" || (this.#opening === "stream" && content !== ""))) {
      this.#opening = undefined;
      this.emit("data", `<open xmlns='${NS.FRAMING}' version='1.0'/>`);
    }
    if (content !== "") this.emit("data", content);
    if (!isEnd) return;
    const { condition } = attrs;
    if (condition !== undefined) return this.#fail(toConditionError(condition));
    this.emit("data", FRAMED_CLOSE);
    this.#close();
  }

  #begin(attrs: BoshBody["attrs"]): boolean {
    const terms = readTerms(attrs);
    if (terms === undefined) {
      this.#fail(new XmppError("protocol", "the server created no BOSH session"));
      return false;
    }
    this.#terms = terms;
    this.#courier.patienceMs = Math.min(this.#timing.giveUpMs, terms.inactivityMs);
    // XEP-0124 §11 allows any number without `requests`; two are enough.
    const requests = readCount(attrs["requests"]) ?? 2;
    this.#window.size = Math.min(Math.max(1, requests), MAX_WINDOW);
    return true;
  }

  /**
   * XEP-0124 §10: pauses the session for `forMs`. In the pause no request is sent and no data arrive. Any `write` ends
   * the pause. Returns false when the server does not allow the pause, or the session is closed.
   */
  pause(forMs: number): boolean {
    const { maxPauseMs = 0 } = this.#terms ?? {};
    const seconds = Math.floor(forMs / 1000);
    if (this.#closed || this.#terminating || seconds < 1 || seconds * 1000 > maxPauseMs) return false;
    this.#push({ kind: "pause", seconds });
    return true;
  }

  #fail(error: XmppError): void {
    if (this.#closed) return;
    this.emit("error", error);
    this.#close();
  }

  #close(): void {
    if (this.#closed) return;
    this.destroy();
    this.emit("close");
  }

  end(): void {
    if (!this.#closed && !this.#terminating) this.#push({ kind: "terminate" });
  }

  destroySoon(withinMs: number): Promise<void> {
    this.end();
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.destroy();
        resolve();
      };
      const timer = setTimeout(finish, withinMs);
      this.#onIdle = finish;
      if (this.#closed || this.#terms === undefined) finish();
    });
  }

  destroy(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#pollTimer);
    clearTimeout(this.#spacingTimer);
    this.#outgoing = [];
    this.#waitingChars = 0;
    this.#courier.close();
    this.#onIdle?.();
  }
}

/** Longest accepted `inactivity`, `polling` and `maxpause`, in seconds: a day. A longer one counts as a day. */
const MAX_SECONDS = 86_400;

function readTerms(attrs: BoshBody["attrs"]): SessionTerms | undefined {
  const { sid } = attrs;
  if (sid === undefined || sid === "") return undefined;
  const milliseconds = (name: string, absent: number): number =>
    Math.min(readCount(attrs[name]) ?? absent, MAX_SECONDS) * 1000;
  return {
    sid,
    inactivityMs: milliseconds("inactivity", 30),
    pollingMs: milliseconds("polling", 0),
    maxPauseMs: milliseconds("maxpause", 0),
    isPolling:
      readCount(attrs["hold"]) === 0 || readCount(attrs["wait"]) === 0 || readCount(attrs["requests"]) === 1,
  };
}

function readCount(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
