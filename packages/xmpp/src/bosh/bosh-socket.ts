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
  /** The domain to speak to, in the form of JIDs. Default: that of `tls`. */
  readonly domain?: string | undefined;
  /** The bare JID that will log in, told with the first request where nobody can overhear it. */
  readonly from?: string | undefined;
}

/**
 * Least time between two requests under way, in ms. They take different connections, and ejabberd (23.01) leaves one that
 * came too early lying until the one before is answered, which it holds for `wait`: half a minute.
 */
const SPACING_MS = 20;
/** More where the times that answers take differ by more, up to this: a busy proxy, a bad network. */
const MAX_SPACING_MS = 500;

/** What waits is gathered into bodies of at most so many characters, or one stanza: far below what servers and proxies take. */
const MAX_BODY_CHARS = 65_536;

/**
 * While the stream is not authenticated, its owner speaks next; an empty request in between could be taken for the
 * restart that is due (Prosody does). So it is held back for so many ms. SASL2 has no restart (XEP-0388 §2.6).
 */
const LAZY_POLL_MS = 250;

/** Most requests under way, however many the server allows: each is a connection, and what it carries counts as sent. */
const MAX_WINDOW = 8;

type Outgoing =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "restart" }
  | { readonly kind: "pause"; readonly seconds: number }
  | { readonly kind: "terminate" };

/** Of the session creation response (XEP-0124 §7.2). */
interface SessionTerms {
  readonly sid: string;
  readonly inactivityMs: number;
  readonly pollingMs: number;
  readonly maxPauseMs: number;
  /** The server holds no requests: it must be asked again and again (XEP-0124 §12). */
  readonly isPolling: boolean;
}

/**
 * One XMPP stream over BOSH (XEP-0124, XEP-0206). To the stream it looks like a WebSocket: RFC 7395's `<open/>`
 * creates the session or restarts it, `<close/>` ends it, and what comes in is whole elements. Its XMPP bytes are
 * HTTP's, headers included.
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
  // XEP-0124 §14.1: random, and so far below 2^53 that no session gets there. Every digit of it travels each time.
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
  /** No restart is due any more: it was sent, or SASL2 needs none. */
  #mayPoll = false;
  /** `<open/>` has been written and not been answered yet. */
  #opening: "session" | "stream" | undefined;
  #terminating = false;
  #closed = false;
  #onIdle: (() => void) | undefined;

  constructor(url: URL, options: BoshOptions) {
    super();
    this.secure = url.protocol === "https:" || isLoopback(url);
    this.#domain = options.domain ?? options.tls.domain;
    // RFC 6120 §4.7.1: to encrypted streams only.
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

  /** At the end of the tick, so that what is written together travels together. */
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
      // XEP-0124 §11: for these there may be one request more.
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

  /** How long the next request must wait so that it does not overtake the one before on another connection. */
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
        // The last words go with the goodbye.
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

  /** Gives the server a request to hold, or asks it whether there is anything. */
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
    // Before the time is over: the way takes some of it.
    const paused = (this.#pausedUntil - monotonicNow()) * 0.8;
    if (paused > 0) return paused;
    // XEP-0124 §12: two fruitless questions are `polling` apart, and no two more than `inactivity`.
    if (terms.isPolling && this.#idlePoll) return Math.min(terms.pollingMs, terms.inactivityMs / 2);
    return this.#mayPoll ? 0 : LAZY_POLL_MS;
  }

  #deliver({ attrs, content }: BoshBody): void {
    if (this.#closed) return;
    const isEnd = attrs["type"] === "terminate";
    if (content !== "") this.#idlePoll = false;
    if (this.#terms === undefined && !isEnd && !this.#begin(attrs)) return;
    // What answers a restart has the features in it; older answers may still come before.
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

  /** XEP-0124 §10: nothing is asked for and nothing comes for so many ms, in which the session may be left alone; any `write` ends it. */
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

/** Longest `inactivity`, `polling` and `maxpause` believed, in seconds: a day. */
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
