import { monotonicNow } from "../base/clock.js";
import { deadline } from "../base/hold-ups.js";
import * as NS from "../base/namespaces.js";
import { SendWindow } from "./send-window.js";
import { splitStanzas } from "../xml/split-stanzas.js";
import { escapeAttribute, type Element } from "../xml/xml.js";

/** XEP-0198. xmpp.js never requests acknowledgements under steady traffic, so this module does. */
export interface StreamManagementPolicy {
  readonly enabled: boolean;
  /** Number of sent stanzas after which the client requests an acknowledgement. Default 50. */
  readonly requestEvery: number;
  /**
   * Age of the last request, in ms, after which the next stanza brings a request too. Without a next stanza, the
   * request follows this long after an unacknowledged stanza. Default 5,000.
   */
  readonly requestAfterMs: number;
  /**
   * Number of unacknowledged stanzas at which `writable` is false. Beyond twice as many, the session is not resumable.
   * Default 400.
   */
  readonly maxQueue: number;
  /** Time after a request without an answer, in ms, at which the connection counts as lost. Default 30,000. */
  readonly answerMs: number;
  /**
   * Longest time that sent text may wait before the server reads it, in ms. Beyond it `writable` is false. So the
   * client notices a server that limits bytes per second; sockets show it only megabytes later. 0: not measured.
   * Default 250.
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
 * Bounds of the send window, in characters. 32,768 at the beginning: a chat server accepts as many at once. At its
 * limit of 3,000 bytes per second, the server reads them within `answerMs`. At most 262,144: with a round trip of 50
 * ms, this carries 5 MB/s.
 */
export const WINDOW_CHARS = { initialChars: 32_768, maxChars: 262_144 };

/** XEP-0198 §4: counters wrap at 2^32. */
const WRAP = 2 ** 32;

/**
 * Most characters that a compressed stream may have sent and unread. The reason: ejabberd counts the inflated bytes of
 * one read as one stanza, and closes the stream beyond `max_stanza_size` (262,144 bytes in Debian's package). A busy
 * server reads everything that waits at once. 65,536 characters are at most 196,608 bytes.
 */
export const COMPRESSED_OUT_CHARS = 65_536;

export const ENABLE = `<enable xmlns='${NS.SM}' resume='true'/>`;
const REQUEST = `<r xmlns='${NS.SM}'/>`;

export interface StreamManagementHooks {
  /** Writes text to the current stream. */
  readonly write: (text: string) => void;
  /** There may be room again. */
  readonly onRoom: () => void;
  /** The server broke the protocol. The caller sends it a stream error with this condition. */
  readonly onBroken: (message: string, condition: string) => void;
  /** The server did not answer a request for an acknowledgement within `answerMs`: the connection is dead. */
  readonly onSilence: () => void;
}

/**
 * Stream Management (XEP-0198) of one session, on all streams that resume it. Counts sent stanzas, and keeps each until
 * the server has acknowledged it. Works on text, so that the hot path never builds elements.
 */
export interface StreamManagement {
  /** The session counts stanzas: `enable` was called for it. */
  readonly inUse: boolean;
  /** Characters that may be sent now; 0 when too much is unacknowledged, Infinity without a bound. */
  readonly room: number;
  /** The server reads more slowly than the client sends. */
  readonly slow: boolean;
  /** The server would resume this session, as far as we know. */
  readonly resumable: boolean;
  readonly unackedCount: number;
  /** Some text waits for acknowledgements before it is written. */
  readonly holds: boolean;
  /** Begins to count for a new session. Returns the `<enable/>` to write. */
  enable(): string;
  /** Returns the `<resume/>` to write. */
  resume(): string;
  /** Call for `<resumed/>`. Returns the text to send again, or `undefined` when its `h` is impossible. */
  onResumed(element: Element): string | undefined;
  /**
   * Counts an outbound text of `count` stanzas, and returns what to write now: the text, and a request when one is due.
   * Holds text beyond `maxOutChars`, and writes it as the server acknowledges.
   */
  outgoing(text: string, count: number): string;
  /**
   * Call while offline. Holds a text until the session is resumed, and sends it after the text that must be sent again.
   * Drops the text when there is no session to resume. It holds at most `WINDOW_CHARS.maxChars` characters, and at most
   * twice `maxQueue` stanzas with the unacknowledged ones. Beyond that the session is not resumed, since it would have
   * a hole.
   */
  keep(text: string, count: number): void;
  /** Counts one inbound stanza as handled. */
  onReceived(): void;
  /** Receives `<r/>`, `<a/>`, `<enabled/>`, `<failed/>` of an established stream. Returns false for other elements. */
  onNonza(element: Element): boolean;
  /** The acknowledgement to write when the server requests one, and before closing. Empty while not in use. */
  acknowledgement(): string;
  /** The stream has ended. Timers stop; the session stays. */
  suspend(): void;
  /** The session is over. Forgets everything. */
  reset(): void;
}

/**
 * `maxOutChars` bounds the characters that are written and not acknowledged. A single larger stanza is written alone.
 * Default: no bound.
 */
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
  /** Unacknowledged texts. Undefined after an overflow, since the session cannot be resumed without a hole. */
  let queue: Counted[] | undefined = [];
  /** Characters written and not acknowledged. */
  let outChars = 0;
  /** Texts not written yet, since more than `maxOutChars` would be unacknowledged. */
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

  /**
   * Removes acknowledged stanzas from the head of the queue. Returns false when the server claims more than was sent.
   */
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
      // The server has every stanza of the hole, so a new queue is whole again.
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

  /** Counts a text that is written now. Returns the text with a request when one is due. */
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
    // A request alone would be a packet of its own. The timer is for stanzas that no other stanza follows.
    const late = now - requestedAt >= policy.requestAfterMs;
    if (full || wantsAnswer || late || sentSinceRequest >= policy.requestEvery) return text + request();
    scheduleRequest();
    return text;
  };

  /** Removes and returns held text that may be written now. While text stays held, a request is under way. */
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
      // XEP-0198 §4: the inbound count begins with `<enabled/>`, the outbound count with our `<enable/>`.
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

/** A text, and its number of stanzas as XEP-0198 counts them. */
interface Counted {
  text: string;
  count: number;
}

/** Cuts a text into pieces of whole stanzas, each of at most `maxChars`. A larger stanza is a piece of its own. */
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
