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

/** Longest time between two tries to go on, in ms. */
const MAX_RETRY_MS = 10_000;
/** Message mode has no acknowledgement: nothing bounced for so long after going on counts as progress, in ms. */
const SETTLED_MS = 10_000;

interface Entry {
  readonly seq: number;
  readonly base64: string;
  /** In iq mode: on its way, to be sent again, or acknowledged while one before it is not. */
  state: "waiting" | "out" | "bounced" | "done";
}

/** What a sender asks of its stream. */
export interface SenderHost {
  readonly connection: Connection;
  readonly peer: string;
  readonly own: string;
  readonly sid: string;
  readonly mode: "message" | "iq";
  /** Suspended, or going on again. */
  readonly onSuspended: (suspended: boolean) => void;
  /** There is room again after a refused `write`. */
  readonly onDrain: () => void;
  /** It cannot go on; the peer is to be told by a `<close/>` where that can reach it. */
  readonly onFailed: (end: BytestreamEnd, tellPeer: boolean) => void;
}

/** One direction of a bytestream: what waits, what is out, what has to go again (XEP-0047 §2.2). */
export interface BytestreamSender {
  /** Takes one block of ready base64; false when there is no room. */
  write(base64: string): boolean;
  /** Sends what may be sent now. */
  pump(): void;
  readonly empty: boolean;
  readonly suspended: boolean;
  /** Message mode: the block of this seq and attempt (undefined: unknown) came back, and may be sent again later. */
  onBounce(seq: number, attempt: number | undefined, error: StanzaError): void;
  /** Resolves when everything was sent (iq mode: and answered), or when stopped; false: after `flushMs` it was not. */
  flush(): Promise<boolean>;
  stop(): void;
}

/** Failures of delivery suspend a stream; all other errors are about the data and end it (XEP-0047 §2.2). */
export function isDeliveryError(error: StanzaError): boolean {
  return (
    error.type === "wait" ||
    error.condition === "recipient-unavailable" ||
    error.condition === "remote-server-timeout"
  );
}

/** The id of a block in message mode: it tells stream, attempt and seq from an error without a payload. */
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
  /** In order of seq. Message mode: not sent yet. iq mode: not acknowledged yet. */
  let entries: Entry[] = [];
  let waitingChars = 0;
  let outCount = 0;
  /** Message mode: sent, and kept for a while in case they come back. Bounded like what waits. */
  let kept: Entry[] = [];
  let keptChars = 0;
  let attempt = 0;
  let refused = false;
  let stopped = false;

  let suspended = false;
  /** Since the first failure without progress after it. */
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

  /** Progress: a later failure is a new one, with its whole time. */
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
      // XEP-0047 §2.2: upon an error related to the data packet the sender closes.
      else fail({ by: "peer", error }, true);
      return;
    }
    // Whether it arrived is unknown, so sending it again might repeat it.
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
      // A write's own consequences may come back here before it is done.
      if (pumping || suspended || stopped || connection.state !== "online") return;
      pumping = true;
      if (mode === "iq") pumpIqs();
      else pumpMessages();
      pumping = false;
    },
    onBounce(seq, ofAttempt, error) {
      // Of an earlier attempt: it was sent again since.
      if (ofAttempt !== undefined && ofAttempt !== attempt) return;
      const index = kept.findIndex((entry) => entry.seq === seq);
      if (index < 0) {
        // While suspended, those behind it come back too, and are among what waits again.
        if (suspended && entries.some((entry) => entry.seq === seq)) return;
        fail({ by: "transport", error }, true);
        return;
      }
      // In order, so what follows came back too, or the peer would have a hole.
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

/** RFC 4648 §4, as XEP-0047 §2.2 asks for it. */
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Throws when a block is no base64, or larger than agreed. */
export function assertBlock(base64: string, blockSizeBytes: number): void {
  // XEP-0047 §2.2: not larger than the block-size, prior to base64.
  if (base64.length % 4 !== 0 || decodedLength(base64) > blockSizeBytes || !BASE64.test(base64))
    throw new RangeError(`a block is base64 of at most ${String(blockSizeBytes)} bytes`);
}
