import { monotonicNow } from "./clock.js";
import type { StreamManagementPolicy } from "./connection.js";
import { deadline } from "./hold-ups.js";
import * as NS from "./namespaces.js";
import { SendWindow } from "./send-window.js";
import { splitStanzas } from "./split-stanzas.js";
import { escapeAttribute, type Element } from "./xml.js";

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
  /** Begins counting for a fresh session; gives the `<enable/>` to write. */
  enable(): string;
  /** Gives the `<resume/>` to write. */
  resume(): string;
  /** `<resumed/>` came: gives what must be sent again, or `undefined` when its `h` is impossible. */
  onResumed(element: Element): string | undefined;
  /** Counts an outbound text; gives what to append to it: a request for acknowledgement, or nothing. */
  onSent(text: string, count: number): string;
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

export function createStreamManagement(
  policy: StreamManagementPolicy,
  hooks: StreamManagementHooks,
): StreamManagement {
  let counting = false;
  let confirmed = false;
  let id = "";
  let received = 0;
  /** The server's last `h`. */
  let acked = 0;
  let unackedCount = 0;
  /** Undefined once it overflowed: the session cannot be resumed without a hole. */
  let queue: { text: string; count: number }[] | undefined = [];
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
    queue = [];
    sendWindow.forget();
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
      sendWindow.read(Infinity);
      return;
    }
    let left = news;
    let whole = 0;
    for (const entry of queue) {
      if (entry.count > left) break;
      left -= entry.count;
      sendWindow.read(entry.text.length);
      whole++;
    }
    if (whole > 0) queue.splice(0, whole);
    const [head] = queue;
    if (left === 0 || head === undefined) return;
    const text = splitStanzas(head.text).slice(left).join("");
    sendWindow.read(head.text.length - text.length);
    head.text = text;
    head.count -= left;
  };

  return {
    get inUse() {
      return counting;
    },
    get room() {
      return unackedCount < policy.maxQueue ? sendWindow.room(monotonicNow()) : 0;
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
      const again = queue.map((entry) => entry.text).join("");
      return again === "" ? "" : again + request();
    },
    onSent(text, count) {
      if (!counting) return "";
      unackedCount += count;
      if (unackedCount > 2 * policy.maxQueue) queue = undefined;
      queue?.push({ text, count });
      const now = monotonicNow();
      const wantsAnswer = sendWindow.sent(text.length, now);
      if (!confirmed) return "";
      sentSinceRequest += count;
      const full = unackedCount >= policy.maxQueue && stopWaiting === undefined;
      if (full || wantsAnswer || sentSinceRequest >= policy.requestEvery) return request();
      // Alone it would be a packet of its own; the timer is for what nothing follows.
      if (now - requestedAt >= policy.requestAfterMs) return request();
      scheduleRequest();
      return "";
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
          if (sendWindow.answered(monotonicNow())) hooks.write(request());
          else scheduleRequest();
          if (!hadRoom && this.room > 0) hooks.onRoom();
          return true;
        }
        case "enabled":
          confirmed = true;
          requestedAt = monotonicNow();
          id = /^(?:true|1)$/.test(String(element.attrs["resume"])) ? String(element.attrs["id"] ?? "") : "";
          scheduleRequest();
          return true;
        case "failed":
          reset();
          return true;
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
