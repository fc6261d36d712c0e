import { monotonicNow } from "../base/clock.js";
import { deadline } from "../base/hold-ups.js";
import * as NS from "../base/namespaces.js";
import { SendWindow } from "./send-window.js";
import { splitStanzas } from "../xml/split-stanzas.js";
import { escapeAttribute, type Element } from "../xml/xml.js";

/** XEP-0198. xmpp.js never asks under steady traffic, so we ask ourselves. */
export interface StreamManagementPolicy {
  readonly enabled: boolean;
  /** Ask for an acknowledgement every so many stanzas sent. Default 50. */
  readonly requestEvery: number;
  /**
   * … or with the next stanza when the last request is so many ms ago, at the latest so many ms after the first
   * unacknowledged stanza. Default 5,000.
   */
  readonly requestAfterMs: number;
  /** Most unacknowledged stanzas held; at it `writable` turns false, past twice it the session is not resumable. Default 400. */
  readonly maxQueue: number;
  /** No answer to a request within so many ms: the connection counts as lost. Default 30,000. */
  readonly answerMs: number;
  /**
   * So long what is sent may wait before the server reads it, in ms: beyond it `writable` is false. A server that limits the bytes
   * per second is found out so; sockets tell of it only megabytes later. 0: not measured. Default 250.
   */
  readonly targetMs: number;
}

export const DEFAULT_STREAM_MANAGEMENT: StreamManagementPolicy = {
  enabled: true,
  requestEvery: 50,
  requestAfterMs: 5_000,
  maxQueue: 400,
  answerMs: 30_000,
  targetMs: 250,
};

/**
 * 32,768 characters at first: what a chat server lets through at once, and at its 3,000 bytes per second read within `answerMs`.
 * At most 262,144, by which a way of 50 ms carries 5 MB/s.
 */
export const WINDOW_CHARS = { initialChars: 32_768, maxChars: 262_144 };

/** XEP-0198 §4: counters wrap at 2^32. */
const WRAP = 2 ** 32;

/**
 * Most characters that a compressed stream may have out unread. ejabberd takes what one read of its inflates to for one
 * stanza, and closes the stream over `max_stanza_size` (262,144 bytes as Debian ships it); a server with much to do reads
 * all that lies there in one go. So many characters are 196,608 bytes at most.
 */
export const COMPRESSED_OUT_CHARS = 65_536;

export const ENABLE = `<enable xmlns='${NS.SM}' resume='true'/>`;
const REQUEST = `<r xmlns='${NS.SM}'/>`;

export interface StreamManagementHooks {
  /** Writes text to the stream that is up now. */
  readonly write: (text: string) => void;
  /** There may be room again. */
  readonly onRoom: () => void;
  /** The server broke the protocol. The condition is told to it. */
  readonly onBroken: (message: string, condition: string) => void;
  /** No answer to our request for an acknowledgement in time: the connection is dead. */
  readonly onSilence: () => void;
}

/**
 * Stream Management (XEP-0198) of one session, over as many streams as it is resumed on.
 * Counts and keeps what was sent until the server has it; works on text, so that the hot path never builds elements.
 */
export interface StreamManagement {
  /** It counts this stream's stanzas. */
  readonly inUse: boolean;
  /** Characters that may be sent now; 0 when so much is unacknowledged that nothing more should be, Infinity without a bound. */
  readonly room: number;
  /** The server reads slower than is sent. */
  readonly slow: boolean;
  /** The server would take this session back, as far as we know. */
  readonly resumable: boolean;
  readonly unackedCount: number;
  /** Something sent waits for acknowledgements before it is written. */
  readonly holds: boolean;
  /** Begins counting for a fresh session; gives the `<enable/>` to write. */
  enable(): string;
  /** Gives the `<resume/>` to write. */
  resume(): string;
  /** `<resumed/>` came: gives what must be sent again, or `undefined` when its `h` is impossible. */
  onResumed(element: Element): string | undefined;
  /**
   * Counts an outbound text; gives what to write now: it, with a request for acknowledgement behind it where one is due. What
   * would be more than may be out is held, and written as the server acknowledges.
   */
  outgoing(text: string, count: number): string;
  /**
   * Offline: holds a text until the session is resumed. It is sent behind what must be sent again. Without a session to resume it is
   * dropped. Held are at most `WINDOW_CHARS.maxChars`, and twice `maxQueue` stanzas with the unacknowledged ones: beyond, the session
   * is not resumed, since it would have a hole.
   */
  keep(text: string, count: number): void;
  /** Counts one inbound stanza as handled. */
  onReceived(): void;
  /** Takes `<r/>`, `<a/>`, `<enabled/>`, `<failed/>` of an established stream; false when it is none of them. */
  onNonza(element: Element): boolean;
  /** The acknowledgement to write: when asked, and before closing. Empty while not in use. */
  acknowledgement(): string;
  /** The stream is gone; timers stop, the session stays. */
  suspend(): void;
  /** The session is over: everything is forgotten. */
  reset(): void;
}

/** `maxOutChars`: most characters written and not acknowledged, but for a single stanza that is larger. Default: no bound. */
export function createStreamManagement(
  policy: StreamManagementPolicy,
  hooks: StreamManagementHooks,
  maxOutChars = Infinity,
): StreamManagement {
  let counting = false;
  let confirmed = false;
  let id = "";
  let received = 0;
  /** The server's last `h`. */
  let acked = 0;
  let unackedCount = 0;
  /** Undefined once it overflowed: the session cannot be resumed without a hole. */
  let queue: Counted[] | undefined = [];
  /** Characters written and not acknowledged. */
  let outChars = 0;
  /** Not written yet: more than `maxOutChars` would be out. */
  let held: Counted[] = [];
  let sentSinceRequest = 0;
  let requestedAt = 0;
  let requestTimer: ReturnType<typeof setTimeout> | undefined;
  let stopWaiting: (() => void) | undefined;
  const sendWindow = new SendWindow({ targetMs: policy.targetMs, ...WINDOW_CHARS });

  const stopTimers = (): void => {
    clearTimeout(requestTimer);
    stopWaiting?.();
    requestTimer = stopWaiting = undefined;
  };

  const reset = (): void => {
    stopTimers();
    counting = confirmed = false;
    id = "";
    received = acked = unackedCount = sentSinceRequest = 0;
    outChars = 0;
    queue = [];
    held = [];
    sendWindow.forget();
  };

  const read = (chars: number): void => {
    outChars = Math.max(0, outChars - chars);
    sendWindow.read(chars);
  };

  const request = (): string => {
    clearTimeout(requestTimer);
    requestTimer = undefined;
    sentSinceRequest = 0;
    requestedAt = monotonicNow();
    sendWindow.question(requestedAt);
    stopWaiting ??= deadline(policy.answerMs, () => {
      stopTimers();
      hooks.onSilence();
    });
    return REQUEST;
  };

  const scheduleRequest = (): void => {
    if (!confirmed || unackedCount === 0) return;
    requestTimer ??= setTimeout(() => {
      hooks.write(request());
    }, policy.requestAfterMs);
  };

  /** Takes what the server has from the queue's head; false when it claims more than was sent. */
  const acknowledge = (text: string | undefined): boolean => {
    const h = Number(text);
    if (text === undefined || !/^\d{1,10}$/.test(text) || h >= WRAP) return false;
    const news = (h - acked + WRAP) % WRAP;
    if (news > unackedCount) return false;
    acked = h;
    unackedCount -= news;
    dropFromHead(news);
    return true;
  };

  const dropFromHead = (news: number): void => {
    if (queue === undefined) {
      // All that the hole held has arrived, so a new queue is whole again.
      if (unackedCount > 0) return;
      queue = [];
      read(Infinity);
      return;
    }
    let left = news;
    let whole = 0;
    for (const entry of queue) {
      if (entry.count > left) break;
      left -= entry.count;
      read(entry.text.length);
      whole++;
    }
    if (whole > 0) queue.splice(0, whole);
    const [head] = queue;
    if (left === 0 || head === undefined) return;
    const text = splitStanzas(head.text).slice(left).join("");
    read(head.text.length - text.length);
    head.text = text;
    head.count -= left;
  };

  const writeSome = (text: string): void => {
    if (text !== "") hooks.write(text);
  };

  /** Counts what is written now; gives it with what goes behind it. */
  const onWritten = (text: string, count: number): string => {
    unackedCount += count;
    if (unackedCount > 2 * policy.maxQueue) queue = undefined;
    queue?.push({ text, count });
    outChars += text.length;
    const now = monotonicNow();
    const wantsAnswer = sendWindow.sent(text.length, now);
    if (!confirmed) return text;
    sentSinceRequest += count;
    const full = unackedCount >= policy.maxQueue && stopWaiting === undefined;
    // Alone it would be a packet of its own; the timer is for what nothing follows.
    const late = now - requestedAt >= policy.requestAfterMs;
    if (full || wantsAnswer || late || sentSinceRequest >= policy.requestEvery) return text + request();
    scheduleRequest();
    return text;
  };

  /** What of the held may be written now. While some stays held, a request is on its way. */
  const release = (): string => {
    let text = "";
    for (let next = held[0]; next !== undefined; next = held[0]) {
      const fits = outChars + next.text.length <= maxOutChars && unackedCount < policy.maxQueue;
      if (!fits && outChars > 0) break;
      held.shift();
      text += onWritten(next.text, next.count);
    }
    if (held.length > 0 && confirmed && stopWaiting === undefined) text += request();
    return text;
  };

  return {
    get inUse() {
      return counting;
    },
    get room() {
      if (unackedCount >= policy.maxQueue || held.length > 0) return 0;
      return Math.min(sendWindow.room(monotonicNow()), Math.max(0, maxOutChars - outChars));
    },
    get slow() {
      return sendWindow.slow;
    },
    get resumable() {
      return id !== "" && queue !== undefined;
    },
    get unackedCount() {
      return unackedCount;
    },
    get holds() {
      return held.length > 0;
    },
    enable() {
      reset();
      counting = true;
      return ENABLE;
    },
    resume() {
      return `<resume xmlns='${NS.SM}' h='${String(received)}' previd='${escapeAttribute(id)}'/>`;
    },
    onResumed(element) {
      if (!acknowledge(element.attrs["h"] as string | undefined) || queue === undefined) return undefined;
      const again = queue.map((entry) => entry.text).join("") + release();
      return unackedCount === 0 || stopWaiting !== undefined ? again : again + request();
    },
    outgoing(text, count) {
      if (!counting) return text;
      if (held.length === 0 && outChars + text.length <= maxOutChars) return onWritten(text, count);
      for (const part of piecesOf(text, count, maxOutChars / 2)) held.push(part);
      return release();
    },
    keep(text, count) {
      if (!this.resumable) return;
      const waiting = held.reduce((sum, entry) => sum + entry.count, unackedCount + count);
      const chars = held.reduce((sum, entry) => sum + entry.text.length, text.length);
      if (waiting > 2 * policy.maxQueue || chars > WINDOW_CHARS.maxChars) queue = undefined;
      else for (const part of piecesOf(text, count, maxOutChars / 2)) held.push(part);
    },
    onReceived() {
      // XEP-0198 §4: inbound begins with `<enabled/>`, unlike outbound, which begins with our `<enable/>`.
      if (confirmed) received = (received + 1) % WRAP;
    },
    onNonza(element) {
      if (element.getNS() !== NS.SM) return false;
      switch (element.name) {
        case "r":
          hooks.write(this.acknowledgement());
          return true;
        case "a": {
          const hadRoom = this.room > 0;
          stopWaiting?.();
          stopWaiting = undefined;
          if (!acknowledge(element.attrs["h"] as string | undefined)) {
            // XEP-0198 §4: the server acknowledged more than we sent.
            hooks.onBroken("the server acknowledged more stanzas than were sent", "undefined-condition");
          }
          const released = release();
          const ask = sendWindow.answered(monotonicNow()) && stopWaiting === undefined;
          writeSome(ask ? released + request() : released);
          scheduleRequest();
          if (!hadRoom && this.room > 0) hooks.onRoom();
          return true;
        }
        case "enabled":
          confirmed = true;
          requestedAt = monotonicNow();
          id = /^(?:true|1)$/.test(String(element.attrs["resume"])) ? String(element.attrs["id"] ?? "") : "";
          writeSome(release());
          scheduleRequest();
          return true;
        case "failed": {
          const rest = held.map((entry) => entry.text).join("");
          reset();
          writeSome(rest);
          return true;
        }
      }
      return false;
    },
    acknowledgement: () => (counting ? `<a xmlns='${NS.SM}' h='${String(received)}'/>` : ""),
    suspend() {
      stopTimers();
      sendWindow.interrupt();
    },
    reset,
  };
}

/** Stanzas in a text, counted as XEP-0198 counts. */
interface Counted {
  text: string;
  count: number;
}

/** Whole stanzas, joined up to so many characters; a larger one is a piece of its own. */
function piecesOf(text: string, count: number, maxChars: number): Counted[] {
  if (text.length <= maxChars || count < 2) return [{ text, count }];
  const pieces: Counted[] = [];
  let last: Counted | undefined;
  for (const stanza of splitStanzas(text)) {
    if (last !== undefined && last.text.length + stanza.length <= maxChars) {
      last.text += stanza;
      last.count++;
    } else pieces.push((last = { text: stanza, count: 1 }));
  }
  return pieces;
}
