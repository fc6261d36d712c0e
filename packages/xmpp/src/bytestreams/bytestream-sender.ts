import { monotonicNow } from "../base/clock.js";
import type { Connection } from "../connection/connection.js";
import { decodedLength } from "../base/base64-length.js";
import { StanzaError, XmppError } from "../base/errors.js";
import type { BytestreamEnd, SendPolicy } from "./in-band-bytestreams.js";
import * as NS from "../base/namespaces.js";
import { escapeAttribute, xml } from "../xml/xml.js";

/** XEP-0047 §2.2: seq wraps after 65535. */
export const SEQ_COUNT = 65_536;

export const DEFAULT_SEND_POLICY: SendPolicy = {
  windowBlocks: 1,
  answerMs: 30_000,
  maxWaitingBlocks: 256,
  maxWaitingChars: 1_398_104,
  retryMs: 1_000,
  maxSuspendedMs: 60_000,
  flushMs: 8_000,
};

/** Longest pause before a suspended stream tries again, in ms. */
const MAX_RETRY_MS = 10_000;
/** Message mode has no acknowledgements. No returned block for this long after a pause counts as progress, in ms. */
const SETTLED_MS = 10_000;

interface Entry {
  readonly seq: number;
  readonly base64: string;
  /**
   * iq mode. `out`: sent and not answered. `bounced`: to be sent again. `done`: acknowledged, while a block before it
   * is not.
   */
  state: "waiting" | "out" | "bounced" | "done";
}

/** The parts of a stream that its sender uses. */
export interface SenderHost {
  readonly connection: Connection;
  readonly peer: string;
  readonly own: string;
  readonly sid: string;
  readonly mode: "message" | "iq";
  /** The sender is suspended, or continues. */
  readonly onSuspended: (suspended: boolean) => void;
  /** There is room again after a refused `write`. */
  readonly onDrain: () => void;
  /** The sender cannot continue. `tellPeer`: send the peer a `<close/>`. */
  readonly onFailed: (end: BytestreamEnd, tellPeer: boolean) => void;
}

/** One direction of a bytestream: blocks that wait, that are sent, and that must be sent again (XEP-0047 §2.2). */
export interface BytestreamSender {
  /** Accepts one block of ready base64. Returns false when there is no room. */
  write(base64: string): boolean;
  /** Sends the blocks that may be sent now. */
  pump(): void;
  readonly empty: boolean;
  readonly suspended: boolean;
  /**
   * Message mode: the block of this `seq` and attempt returned. It is sent again later. `attempt` is undefined when
   * unknown.
   */
  onBounce(seq: number, attempt: number | undefined, error: StanzaError): void;
  /**
   * Resolves with true when everything is sent (iq mode: and answered), or when the sender is stopped. Resolves with
   * false after `flushMs`.
   */
  flush(): Promise<boolean>;
  stop(): void;
}

/** Whether an error is about the delivery, which suspends a stream. Other errors end the stream (XEP-0047 §2.2). */
export function isDeliveryError(error: StanzaError): boolean {
  return (
    error.type === "wait" ||
    error.condition === "recipient-unavailable" ||
    error.condition === "remote-server-timeout"
  );
}

/** The id of a block in message mode. From it an error without a payload still shows stream, attempt and `seq`. */
const formatBlockId = (sid: string, attempt: number, seq: number): string =>
  `${sid}.${attempt.toString(36)}.${String(seq)}`;

export function parseBlockId(id: string): { sid: string; attempt: number; seq: number } | undefined {
  const match = /^(.+)\.([0-9a-z]{1,8})\.(\d{1,5})$/.exec(id);
  return match === null
    ? undefined
    : { sid: match[1] as string, attempt: Number.parseInt(match[2] as string, 36), seq: Number(match[3]) };
}

export function createBytestreamSender(
  host: SenderHost,
  firstSeq: number,
  policy: SendPolicy,
): BytestreamSender {
  const { connection, peer, own, sid, mode } = host;
  const from = connection.kind === "component" ? ` from='${escapeAttribute(own)}'` : "";
  const head = `<message${from} to='${escapeAttribute(peer)}' type='headline' id='`;
  const middle = `'><data xmlns='${NS.IBB}' sid='${escapeAttribute(sid)}' seq='`;
  let nextSeq = firstSeq;
  /** Blocks in the order of `seq`. Message mode: not sent yet. iq mode: not acknowledged yet. */
  let entries: Entry[] = [];
  let waitingChars = 0;
  let outCount = 0;
  /** Message mode: sent blocks, kept for a while in case they return. Bounded like the waiting blocks. */
  let kept: Entry[] = [];
  let keptChars = 0;
  let attempt = 0;
  let refused = false;
  let stopped = false;

  let suspended = false;
  /** Time of the first failure without progress after it. */
  let suspendedSince: number | undefined;
  let goneOnAt = 0;
  let retries = 0;
  let retryTimer: NodeJS.Timeout | undefined;
  let flushed: (() => void)[] = [];

  const settle = (): void => {
    if (refused && !stopped && hasRoom(0) && entries.length <= policy.maxWaitingBlocks / 2) {
      refused = false;
      host.onDrain();
    }
    if (entries.length > 0) return;
    for (const resolve of flushed) resolve();
    flushed = [];
  };

  const hasRoom = (chars: number): boolean =>
    entries.length < policy.maxWaitingBlocks &&
    (entries.length === 0 || waitingChars + chars <= policy.maxWaitingChars);

  const fail = (end: BytestreamEnd, tellPeer: boolean): void => {
    if (!stopped) host.onFailed(end, tellPeer);
  };

  const suspend = (error: StanzaError): void => {
    if (suspended || stopped) return;
    const now = monotonicNow();
    if (mode === "message" && now - goneOnAt > SETTLED_MS) progressed();
    suspendedSince ??= now;
    if (now - suspendedSince >= policy.maxSuspendedMs) {
      fail({ by: "transport", error }, true);
      return;
    }
    suspended = true;
    const delayMs = Math.min(policy.retryMs * 2 ** Math.min(retries++, 20), MAX_RETRY_MS);
    retryTimer = setTimeout(goOn, delayMs);
    host.onSuspended(true);
  };

  const goOn = (): void => {
    retryTimer = undefined;
    if (connection.state !== "online") {
      retryTimer = setTimeout(goOn, policy.retryMs);
      return;
    }
    suspended = false;
    goneOnAt = monotonicNow();
    host.onSuspended(false);
    sender.pump();
  };

  /** Call after progress. A later failure is a new one, and may last `maxSuspendedMs` again. */
  const progressed = (): void => {
    suspendedSince = undefined;
    retries = 0;
  };

  const sendIq = (entry: Entry): void => {
    entry.state = "out";
    outCount++;
    const data = xml("data", { xmlns: NS.IBB, sid, seq: String(entry.seq) }, entry.base64);
    const iq = xml("iq", { type: "set", to: peer }, data);
    if (connection.kind === "component") iq.attrs["from"] = own;
    connection.request(iq, { timeoutMs: policy.answerMs }).then(
      () => {
        onAnswered(entry);
      },
      (error: unknown) => {
        onRefused(entry, error);
      },
    );
  };

  const onAnswered = (entry: Entry): void => {
    outCount--;
    entry.state = "done";
    while (entries[0]?.state === "done") waitingChars -= (entries.shift() as Entry).base64.length;
    progressed();
    if (stopped) return;
    settle();
    sender.pump();
  };

  const onRefused = (entry: Entry, error: unknown): void => {
    outCount--;
    entry.state = "bounced";
    if (stopped) return;
    if (error instanceof StanzaError) {
      if (isDeliveryError(error)) suspend(error);
      // XEP-0047 §2.2: after an error about the data packet, the sender closes.
      else fail({ by: "peer", error }, true);
      return;
    }
    // The block may have arrived, so to send it again might repeat it.
    const lost = error instanceof XmppError && error.code !== "timeout";
    const text = lost ? "the connection was lost" : `no answer within ${String(policy.answerMs)} ms`;
    fail({ by: "transport", error: new StanzaError("remote-server-timeout", "wait", text) }, !lost);
  };

  const pumpIqs = (): void => {
    for (const entry of entries) {
      if (stopped || outCount >= policy.windowBlocks) return;
      if (entry.state === "waiting" || entry.state === "bounced") sendIq(entry);
    }
  };

  const pumpMessages = (): void => {
    // A peer in the same process may answer before `send` returns.
    while (!suspended && !stopped && connection.writable) {
      const entry = entries.shift();
      if (entry === undefined) break;
      const id = escapeAttribute(formatBlockId(sid, attempt, entry.seq));
      waitingChars -= entry.base64.length;
      keep(entry);
      connection.send(`${head}${id}${middle}${String(entry.seq)}'>${entry.base64}</data></message>`, 1, true);
    }
    settle();
  };

  const keep = (entry: Entry): void => {
    kept.push(entry);
    keptChars += entry.base64.length;
    while (kept.length > policy.maxWaitingBlocks || (kept.length > 1 && keptChars > policy.maxWaitingChars))
      keptChars -= (kept.shift() as Entry).base64.length;
  };

  let pumping = false;
  const sender: BytestreamSender = {
    get empty() {
      return entries.length === 0;
    },
    get suspended() {
      return suspended;
    },
    write(base64) {
      if (stopped || !hasRoom(base64.length)) {
        refused = !stopped;
        return false;
      }
      entries.push({ seq: nextSeq, base64, state: "waiting" });
      waitingChars += base64.length;
      nextSeq = (nextSeq + 1) % SEQ_COUNT;
      sender.pump();
      return true;
    },
    pump() {
      // A write below may call `pump` again before it returns.
      if (pumping || suspended || stopped || connection.state !== "online") return;
      pumping = true;
      if (mode === "iq") pumpIqs();
      else pumpMessages();
      pumping = false;
    },
    onBounce(seq, ofAttempt, error) {
      // An error of an earlier attempt: the block was sent again since.
      if (ofAttempt !== undefined && ofAttempt !== attempt) return;
      const index = kept.findIndex((entry) => entry.seq === seq);
      if (index < 0) {
        // While suspended, later blocks return too. They wait to be sent again already.
        if (suspended && entries.some((entry) => entry.seq === seq)) return;
        fail({ by: "transport", error }, true);
        return;
      }
      // The blocks after this one are sent again too. Otherwise the peer would miss this one before them.
      const again = kept.splice(index);
      for (const { base64 } of again) {
        keptChars -= base64.length;
        waitingChars += base64.length;
      }
      entries = [...again, ...entries];
      suspend(error);
      attempt++;
    },
    flush() {
      if (entries.length === 0 || stopped) return Promise.resolve(true);
      return new Promise((resolve) => {
        const timer = setTimeout(() => {
          resolve(false);
        }, policy.flushMs);
        flushed.push(() => {
          clearTimeout(timer);
          resolve(true);
        });
      });
    },
    stop() {
      if (stopped) return;
      stopped = true;
      clearTimeout(retryTimer);
      entries = [];
      kept = [];
      settle();
    },
  };
  return sender;
}

/** RFC 4648 §4, which XEP-0047 §2.2 requires. */
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Throws `RangeError` when a block is no base64, or larger than `blockSizeBytes`. */
export function assertBlock(base64: string, blockSizeBytes: number): void {
  // XEP-0047 §2.2: the block before base64 is not larger than `block-size`.
  if (base64.length % 4 !== 0 || decodedLength(base64) > blockSizeBytes || !BASE64.test(base64))
    throw new RangeError(`a block is base64 of at most ${String(blockSizeBytes)} bytes`);
}
