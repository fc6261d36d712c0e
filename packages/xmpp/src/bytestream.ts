import { decodeBase64 } from "./base64.node.js";
import { assertBlock, SEQ_COUNT, type BytestreamSender, type SenderHost } from "./bytestream-sender.js";
import type { Connection } from "./connection.js";
import { StanzaError } from "./errors.js";
import type { Bytestream, BytestreamEnd, OpenRequest } from "./in-band-bytestreams.js";
import { callGuarded, isThenable } from "./listeners.js";
import * as NS from "./namespaces.js";
import { randomText } from "./random.js";
import { warn } from "./warn.node.js";
import { escapeAttribute, xml } from "./xml.js";

const CLOSE_TIMEOUT_MS = 10_000;
/** Most blocks, and characters of them, kept for a handler that is not there yet: what one read of the socket can hold after the answer to an open. */
const MAX_EARLY_BLOCKS = 1_024;
const MAX_EARLY_BYTES = 1_048_576;

/** A bytestream with the side of it that its manager drives. */
export interface ManagedBytestream extends Bytestream {
  /** The peer agreed to smaller blocks than were offered first. */
  agree(blockSizeBytes: number): void;
  /** Takes one `<data/>`; gives the error to answer with when it cannot be processed. */
  onData(
    seq: string | undefined,
    base64: string,
    stanzaChars: number,
    kind: "message" | "iq",
  ): StanzaError | undefined;
  /** Data could not be delivered; false when that cannot be mended here. `attempt`: undefined when unknown. */
  onBounce(error: StanzaError, seq: number | undefined, attempt: number | undefined): boolean;
  /** The peer closes: answers and ends when what waited here has gone. */
  onPeerClose(answer: () => void): void;
  /** The connection can be written to again. */
  pump(): void;
  /** Ends it here, without a word to the peer. */
  end(end: BytestreamEnd): void;
  /** Ends it here and tells the peer. */
  endAndClose(end: BytestreamEnd): void;
}

/** Makes what `write` needs, beginning with a `seq`. */
export type SenderFactory = (host: SenderHost, firstSeq: number) => BytestreamSender;

export interface BytestreamHost {
  readonly connection: Connection;
  /** Without, `write` is not to be used. */
  readonly createSender: SenderFactory | undefined;
  /** Whether one more close may wait for its answer. */
  readonly mayAwaitClose: () => boolean;
  /** The first `write`: from now on it wants `pump`. */
  readonly onWrites: () => void;
  /** It is closed now, and takes no more data; `closing` while a close of ours is unanswered. */
  readonly onGone: (closing: Promise<void> | undefined) => void;
}

export function createBytestream(
  { connection, createSender, mayAwaitClose, onWrites, onGone }: BytestreamHost,
  { from: peer, to: own, sid, blockSizeBytes: agreed, stanza: mode }: OpenRequest,
): ManagedBytestream {
  // A client's server fills in the sender, and every character travels in every stanza.
  const from = connection.kind === "component" ? ` from='${escapeAttribute(own)}'` : "";
  const head = `<message${from} to='${escapeAttribute(peer)}' type='headline'><data xmlns='${NS.IBB}' sid='${escapeAttribute(sid)}' seq='`;
  let blockSizeBytes = agreed;
  let nextOut = 0;
  let nextIn = 0;
  let receivedCount = 0;
  let phase: "open" | "closing" | "closed" = "open";
  /** Whether `write` takes anything: a little longer than it is open, when the peer closes. */
  let accepting = true;
  let sender: BytestreamSender | undefined;
  /** Our own close, from the beginning of its flush. */
  let closing: Promise<void> | undefined;
  /** Our own `<close/>`, until its answer. */
  let closeSent: Promise<void> | undefined;
  let awaited = false;
  let peerCloses = false;
  /** What a flush could not deliver in its time. */
  let undelivered: StanzaError | undefined;
  /** Runs while the peer's `<close/>` is expected. */
  let closeTimer: ReturnType<typeof setTimeout> | undefined;
  let ended: BytestreamEnd | undefined;
  let onBlock: Bytestream["onBlock"];
  let onEnd: Bytestream["onEnd"];
  /** Came before there was a handler. */
  let early: [Uint8Array, number][] = [];
  let earlyBytes = 0;
  let unheardEnd: BytestreamEnd | undefined;

  /** Gives what went wrong; the stream is closed then. */
  const deliver = (block: Uint8Array, stanzaChars: number): StanzaError | undefined => {
    if (onBlock === undefined) {
      early.push([block, stanzaChars]);
      earlyBytes += block.length;
      if (early.length <= MAX_EARLY_BLOCKS && earlyBytes <= MAX_EARLY_BYTES) return undefined;
      early = [];
      return endWith(new StanzaError("resource-constraint", "wait"));
    }
    const refuse = (error: unknown): StanzaError => {
      warn("a block handler failed", error);
      return endWith(new StanzaError("internal-server-error", "cancel"));
    };
    try {
      const result: unknown = onBlock(block, { stanzaChars });
      if (isThenable(result)) Promise.resolve(result).catch(refuse);
      return undefined;
    } catch (error) {
      return refuse(error);
    }
  };

  const endWith = (error: StanzaError): StanzaError => {
    stream.endAndClose({ by: "local", error });
    return error;
  };

  const tell = (what: string, call: () => unknown): void => {
    callGuarded(`${what} handler`, call);
  };

  const tellEnd = (end: BytestreamEnd): void => {
    if (onEnd === undefined) unheardEnd = end;
    else tell("an end", () => onEnd?.(end));
  };

  const tellState = (): void => {
    tell("a state", () => stream.onState?.(stream.state));
  };

  const stopTaking = (): void => {
    phase = "closing";
    tellState();
    accepting = false;
  };

  const sendClose = (): Promise<void> => {
    const iq = xml("iq", { type: "set", to: peer }, xml("close", { xmlns: NS.IBB, sid }));
    if (connection.kind === "component") iq.attrs["from"] = own;
    awaited = mayAwaitClose();
    if (awaited) {
      // XEP-0047 §2.3: closed whatever the answer, and without one.
      closeSent = connection.request(iq, { timeoutMs: CLOSE_TIMEOUT_MS }).then(
        () => undefined,
        () => undefined,
      );
    } else {
      iq.attrs["id"] = randomText(8);
      connection.sendElement(iq);
      closeSent = Promise.resolve();
    }
    return closeSent;
  };

  const beginToWrite = (): BytestreamSender => {
    if (createSender === undefined) throw new TypeError("these bytestreams are sent by `stanza` alone");
    return createSender(
      {
        connection,
        peer,
        own,
        sid,
        mode,
        onSuspended: () => {
          if (phase === "open") tellState();
        },
        onDrain: () => {
          if (accepting) tell("a drain", () => stream.onDrain?.());
        },
        onFailed: (end, tellPeer) => {
          if (tellPeer) stream.endAndClose(end);
          else stream.end(end);
        },
      },
      nextOut,
    );
  };

  const stream: ManagedBytestream = {
    peer,
    sid,
    mode,
    get blockSizeBytes() {
      return blockSizeBytes;
    },
    get state() {
      return phase === "open" && sender?.suspended === true ? "suspended" : phase;
    },
    onDrain: undefined,
    onState: undefined,
    onFault: undefined,
    get onBlock() {
      return onBlock;
    },
    set onBlock(handler) {
      onBlock = handler;
      if (handler === undefined) return;
      const blocks = early;
      early = [];
      earlyBytes = 0;
      // Also when the peer has closed meanwhile: it was sent before.
      for (const [block, stanzaChars] of blocks) if (deliver(block, stanzaChars) !== undefined) return;
    },
    get onEnd() {
      return onEnd;
    },
    set onEnd(handler) {
      onEnd = handler;
      if (handler === undefined || unheardEnd === undefined) return;
      const end = unheardEnd;
      unheardEnd = undefined;
      tellEnd(end);
    },

    write(base64) {
      assertBlock(base64, blockSizeBytes);
      if (!accepting) return false;
      if (sender === undefined) {
        sender = beginToWrite();
        onWrites();
      }
      return sender.write(base64);
    },

    stanza(base64) {
      if (mode === "iq" || sender !== undefined)
        throw new TypeError("`stanza` is for streams in message mode that are not written to by `write`");
      const seq = nextOut;
      nextOut = (nextOut + 1) % SEQ_COUNT;
      return `${head}${String(seq)}'>${base64}</data></message>`;
    },

    agree(bytes) {
      blockSizeBytes = bytes;
    },

    onData(seqText, base64, stanzaChars, kind) {
      const seq = parseUnsignedShort(seqText);
      if (seq === undefined) return refuse("bad-request", "seq is not a 16-bit number");
      if (seq !== nextIn) {
        const behind = (nextIn - seq + SEQ_COUNT) % SEQ_COUNT;
        if (behind <= Math.min(receivedCount, SEQ_COUNT / 2)) {
          // XEP-0047 §2.2: the sender closes on this; the stream itself has no hole.
          return new StanzaError("unexpected-request", "cancel", `seq ${String(seq)} was used already`);
        }
        // XEP-0047 §2.2: a packet was lost; process neither this one nor any after it, and close.
        const text = `seq ${String(seq)} came instead of ${String(nextIn)}`;
        const error = new StanzaError("unexpected-request", "cancel", text);
        stream.endAndClose({ by: "transport", error });
        // XEP-0047 §2.2 has a result for what was processed, so an iq needs another answer; a message needs none.
        return kind === "iq" ? error : undefined;
      }
      // Longer than its block size in any reading: not worth decoding.
      if (base64.length > Math.ceil(blockSizeBytes / 3) * 4) return tooLarge();
      const block = decodeBase64(base64);
      if (block === undefined) return refuse("bad-request", "not base64");
      if (block.length > blockSizeBytes) return tooLarge();
      nextIn = (nextIn + 1) % SEQ_COUNT;
      receivedCount++;
      const error = deliver(block, stanzaChars);
      return kind === "iq" ? error : undefined;
    },

    onBounce(error, seq, attempt) {
      if (sender === undefined || mode === "iq" || seq === undefined) return false;
      sender.onBounce(seq, attempt, error);
      return true;
    },

    onPeerClose(answer) {
      const finish = (): void => {
        answer();
        endAfterFlush(closing === undefined ? "peer" : "local");
      };
      if (peerCloses) return answer();
      peerCloses = true;
      if (phase === "open") stopTaking();
      // XEP-0047 §2.3: the answer may wait until what remains has been sent the other way.
      if (sender === undefined || sender.empty || closeSent !== undefined) finish();
      else void flush().then(finish);
    },

    pump() {
      sender?.pump();
    },

    async close() {
      await (phase === "closed" ? (closing ?? closeSent) : (closing ??= flushAndClose()));
      return ended ?? { by: "local" };
    },

    expectClose(withinMs) {
      if (phase !== "open") return;
      stopTaking();
      closeTimer = setTimeout(() => void stream.close(), withinMs);
    },

    abandon(end) {
      early = [];
      stream.end(end);
    },

    end(end) {
      if (phase === "closed") return;
      phase = "closed";
      ended = end;
      accepting = false;
      clearTimeout(closeTimer);
      sender?.stop();
      onGone(awaited ? closeSent : undefined);
      tellEnd(end);
    },

    endAndClose(end) {
      if (phase === "closed") return;
      const { error } = end;
      if (error !== undefined && closeSent === undefined) {
        const { onFault } = stream;
        stream.onFault = undefined;
        tell("a fault", () => onFault?.({ ...end, error }));
      }
      if ((phase as string) === "closed") return;
      if (closeSent === undefined) void sendClose();
      stream.end(end);
    },
  };

  const flush = async (): Promise<void> => {
    if (sender === undefined || (await sender.flush())) return;
    // What was promised and not delivered must not end as if it had been, nor follow a `<close/>`.
    sender.stop();
    const text = "not all was delivered before the close";
    undelivered = new StanzaError("remote-server-timeout", "wait", text);
  };

  const endAfterFlush = (by: "local" | "peer"): void => {
    stream.end({ by, ...(undelivered !== undefined && { error: undelivered }) });
  };

  const flushAndClose = async (): Promise<void> => {
    if (phase === "open") stopTaking();
    if (sender !== undefined && !sender.empty) await flush();
    // The peer may have closed meanwhile.
    if ((phase as string) !== "closed" && !peerCloses) {
      // XEP-0047 §2.3: until the answer the peer may send what remains of its own.
      await sendClose();
      endAfterFlush("local");
    }
    await closeSent;
  };

  const refuse = (condition: string, text: string, type: "cancel" | "modify" = "cancel"): StanzaError => {
    const error = new StanzaError(condition, type, text);
    stream.endAndClose({ by: "transport", error });
    return error;
  };
  // XEP-0047 §2.2 names no condition for this one; §2.1 uses the same for a block size.
  const tooLarge = (): StanzaError =>
    refuse("resource-constraint", `a block is larger than ${String(blockSizeBytes)} bytes`, "modify");

  return stream;
}

/** XEP-0047 §9, `xs:unsignedShort`. */
export function parseUnsignedShort(text: string | undefined): number | undefined {
  if (text === undefined || !/^\d{1,5}$/.test(text)) return undefined;
  const number = Number(text);
  return number < SEQ_COUNT ? number : undefined;
}
