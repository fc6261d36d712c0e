import { decodeBase64 } from "./base64.node.js";
import type { Connection } from "./connection.js";
import { StanzaError } from "./errors.js";
import type { Bytestream, BytestreamEnd, OpenRequest } from "./in-band-bytestreams.js";
import { NS } from "./namespaces.js";
import { warn } from "./warn.node.js";
import { escapeAttribute, xml } from "./xml.js";

/** XEP-0047 §2.2: seq wraps after 65535. */
const SEQ_COUNT = 65_536;
const CLOSE_TIMEOUT_MS = 10_000;
/** Most blocks kept for a handler that is not there yet: what one read of the socket can hold after the answer to an open. */
const MAX_EARLY_BLOCKS = 1_024;

/** A bytestream with the side of it that its manager drives. */
export interface ManagedBytestream extends Bytestream {
  /** The peer agreed to smaller blocks than were offered first. */
  agree(blockSizeBytes: number): void;
  /** Takes one `<data/>`; gives the error to answer with when it cannot be processed. */
  onData(seq: string | undefined, base64: string, stanzaChars: number): StanzaError | undefined;
  /** Ends it here, without a word to the peer. */
  end(end: BytestreamEnd): void;
  /** Ends it here and tells the peer. */
  endAndClose(end: BytestreamEnd): void;
}

/** `onGone`: it is closed now, and takes no more data; `closing` while a close of ours is unanswered. */
export function createBytestream(
  connection: Connection,
  { from: peer, to: own, sid, blockSizeBytes: agreed }: OpenRequest,
  onGone: (closing: Promise<void> | undefined) => void,
): ManagedBytestream {
  // A client's server fills in the sender, and every character travels in every stanza.
  const sender = connection.kind === "component" ? ` from='${escapeAttribute(own)}'` : "";
  const head = `<message${sender} to='${escapeAttribute(peer)}' type='headline'><data xmlns='${NS.IBB}' sid='${escapeAttribute(sid)}' seq='`;
  let blockSizeBytes = agreed;
  let nextOut = 0;
  let nextIn = 0;
  let receivedCount = 0;
  let closing: Promise<void> | undefined;
  let onBlock: Bytestream["onBlock"];
  let onEnd: Bytestream["onEnd"];
  /** Came before there was a handler. */
  let early: [Uint8Array, number][] = [];
  let unheardEnd: BytestreamEnd | undefined;

  const deliver = (block: Uint8Array, stanzaChars: number): void => {
    if (stream.state === "closed") return;
    if (onBlock === undefined) {
      early.push([block, stanzaChars]);
      if (early.length <= MAX_EARLY_BLOCKS) return;
      stream.endAndClose({ by: "local", error: new StanzaError("resource-constraint", "wait") });
      return;
    }
    try {
      onBlock(block, { stanzaChars });
    } catch (error) {
      warn("a block handler failed", error);
      stream.endAndClose({ by: "local", error: new StanzaError("internal-server-error", "cancel") });
    }
  };

  const tellEnd = (end: BytestreamEnd): void => {
    if (onEnd === undefined) {
      unheardEnd = end;
      return;
    }
    try {
      onEnd(end);
    } catch (error) {
      warn("an end handler failed", error);
    }
  };

  const requestClose = async (): Promise<void> => {
    const iq = xml("iq", { type: "set", to: peer }, xml("close", { xmlns: NS.IBB, sid }));
    if (connection.kind === "component") iq.attrs["from"] = own;
    // XEP-0047 §2.3: closed whatever the answer, and without one.
    await connection.request(iq, { timeoutMs: CLOSE_TIMEOUT_MS }).catch(() => undefined);
  };

  const stream: ManagedBytestream & { state: "open" | "closed" } = {
    peer,
    sid,
    get blockSizeBytes() {
      return blockSizeBytes;
    },
    state: "open",
    get onBlock() {
      return onBlock;
    },
    set onBlock(handler) {
      onBlock = handler;
      if (handler === undefined) return;
      const blocks = early;
      early = [];
      for (const [block, stanzaChars] of blocks) deliver(block, stanzaChars);
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

    stanza(base64) {
      const seq = nextOut;
      nextOut = (nextOut + 1) % SEQ_COUNT;
      return `${head}${String(seq)}'>${base64}</data></message>`;
    },

    agree(bytes) {
      blockSizeBytes = bytes;
    },

    onData(seqText, base64, stanzaChars) {
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
        stream.endAndClose({ by: "transport", error: new StanzaError("unexpected-request", "cancel", text) });
        return undefined;
      }
      // Longer than its block size in any reading: not worth decoding.
      if (base64.length > Math.ceil(blockSizeBytes / 3) * 4) return tooLarge();
      const block = decodeBase64(base64);
      if (block === undefined) return refuse("bad-request", "not base64");
      if (block.length > blockSizeBytes) return tooLarge();
      nextIn = (nextIn + 1) % SEQ_COUNT;
      receivedCount++;
      deliver(block, stanzaChars);
      return undefined;
    },

    close() {
      stream.endAndClose({ by: "local" });
      return closing ?? Promise.resolve();
    },

    abandon(end) {
      stream.end(end);
    },

    end(end) {
      if (stream.state === "closed") return;
      stream.state = "closed";
      onGone(closing);
      tellEnd(end);
    },

    endAndClose(end) {
      if (stream.state === "closed") return;
      closing = requestClose();
      stream.end(end);
    },
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
