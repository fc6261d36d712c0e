import { monotonicNow } from "../base/clock.js";
import { StanzaBytestream } from "./bytestream.js";
import type { BytestreamHost, ManagedBytestream, SenderFactory } from "./managed-bytestream.js";
import { isDeliveryError, parseBlockId } from "./bytestream-sender.js";
import type { Connection, StanzaHandler } from "../connection/connection.js";
import { StanzaError } from "../base/errors.js";
import type {
  BytestreamEnd,
  BytestreamOptions,
  InBandBytestreams,
  OpenOptions,
  OpenRequest,
} from "./in-band-bytestreams.js";
import {
  formatAnswer,
  formatLeanAnswer,
  ibbChild,
  isChildless,
  parseUnsignedShort,
  SID,
} from "./ibb-stanzas.js";
import { offer } from "./opening.js";
import { prepareJid } from "../addresses/jid.js";
import { isLeanText, isProbe, readProbe, TAG_COUNT } from "./lean-stanzas.js";
import { callGuarded } from "../base/listeners.js";
import * as NS from "../base/namespaces.js";
import { ownText } from "../base/own-text.js";
import { randomText, randomUint32 } from "../base/random.js";
import { parseStanzaError } from "../stanzas/stanza-errors.js";
import { TaggedStreams } from "./tagged-streams.js";
import { createUsedSids } from "./used-sids.js";
import { warn } from "../base/warn.node.js";
import type { Element } from "../xml/xml.js";

/** XEP-0047 §2.1: the largest block, in bytes. */
const MAX_BLOCK_SIZE_BYTES = 65_535;
const DEFAULTS = { maxBlockSizeBytes: MAX_BLOCK_SIZE_BYTES, maxStreams: 100_000, sidReuseMs: 3_600_000 };
/** Deadline of an open with all its offers, in ms. */
const OPEN_TIMEOUT_MS = 30_000;
/** Most sids and tags remembered after use. 250,000: 125,000 opens an hour on one connection, in about 40 MB. */
const MAX_USED_SIDS = 250_000;
/** Most closes that wait for their answers at once. Beyond that, a close is sent and its answer is ignored. */
const MAX_CLOSING = 1_000;

/**
 * The In-Band Bytestreams (XEP-0047) of one connection. Receives data stanzas before handlers that are added later.
 * Streams can send by `stanza` and `blockStanza` only, and a page need not load the code of `write`.
 */
export function createStanzaBytestreams(
  connection: Connection,
  options?: Omit<BytestreamOptions, "sending">,
): InBandBytestreams;
/** @internal With `createSender`, streams can send by `write` too. */
export function createStanzaBytestreams(
  connection: Connection,
  options: Omit<BytestreamOptions, "sending">,
  createSender: SenderFactory,
): InBandBytestreams;
export function createStanzaBytestreams(
  connection: Connection,
  options: Omit<BytestreamOptions, "sending"> = {},
  createSender?: SenderFactory,
): InBandBytestreams {
  const limits = { ...DEFAULTS, ...options };
  const maxBlockSizeBytes = Math.min(limits.maxBlockSizeBytes, MAX_BLOCK_SIZE_BYTES);
  const streams = new Map<string, ManagedBytestream>();
  const used = createUsedSids(limits.sidReuseMs, MAX_USED_SIDS);
  const tagged = new TaggedStreams(used);
  /** Streams whose close the peer has not answered. Data still under way are no fault (XEP-0047 §2.3). */
  const closingKeys = new Set<string>();
  /** Streams whose blocks may wait for the connection. */
  const written = new Set<ManagedBytestream>();
  let session = 0;
  /** Number of streams of each peer, for errors that name no sid. */
  const countByPeer = new Map<string, number>();

  // A peer may not send in another peer's stream, so the key begins with the sender. XML has no U+0000. So no address
  // and no sid, whatever a peer writes, can reach into the other part of the key.
  const keyOf = (peer: string, sid: string): string => `${peer}\0${sid}`;

  const host: BytestreamHost = {
    connection,
    createSender,
    mayAwaitClose: () => closingKeys.size < MAX_CLOSING,
    findTag: (peer) => tagged.find(peer, randomUint32() % TAG_COUNT, monotonicNow()),
    onTag: (stream) => {
      tagged.add(stream, monotonicNow());
    },
    onWrites: (stream) => void written.add(stream),
    onGone(stream, closing) {
      const key = keyOf(stream.peer, stream.sid);
      streams.delete(key);
      written.delete(stream);
      if (closing !== undefined) {
        closingKeys.add(key);
        void closing.then(() => closingKeys.delete(key));
      }
      used.add(key, monotonicNow());
      tagged.remove(stream, monotonicNow(), closing);
      const left = (countByPeer.get(stream.peer) ?? 1) - 1;
      if (left === 0) countByPeer.delete(stream.peer);
      else countByPeer.set(stream.peer, left);
    },
  };

  const add = (request: OpenRequest): ManagedBytestream => {
    const key = keyOf(request.from, request.sid);
    used.add(key, monotonicNow());
    const stream = new StanzaBytestream(host, request);
    streams.set(key, stream);
    countByPeer.set(request.from, (countByPeer.get(request.from) ?? 0) + 1);
    return stream;
  };

  const isUsed = (peer: string, sid: string): boolean =>
    streams.has(keyOf(peer, sid)) || used.has(keyOf(peer, sid), monotonicNow());

  const checkOpen = (request: OpenRequest, blockSize: number | undefined, stanza: string): void => {
    const { from, sid } = request;
    if (blockSize === undefined || blockSize === 0 || !SID.test(sid)) {
      throw new StanzaError("bad-request", "modify", "block-size must be 1 to 65535, sid a name token");
    }
    if (stanza !== "iq" && stanza !== "message") {
      throw new StanzaError("bad-request", "modify", "stanza is iq or message");
    }
    if (blockSize > maxBlockSizeBytes) {
      throw new StanzaError(
        "resource-constraint",
        "modify",
        `block-size is at most ${String(maxBlockSizeBytes)}`,
      );
    }
    if (isUsed(from, sid)) {
      throw new StanzaError("not-acceptable", "cancel", "this sid was used already");
    }
    if (streams.size >= limits.maxStreams) {
      throw new StanzaError("resource-constraint", "wait", "too many bytestreams");
    }
    if (api.onOpen === undefined) throw new StanzaError("not-acceptable", "cancel");
    api.onOpen(request);
  };

  const tellStray = (from: string): void => {
    callGuarded("onStray of In-Band Bytestreams", () => api.onStray?.(from));
  };
  const tellError = (from: string, error: StanzaError): void => {
    callGuarded("onError of In-Band Bytestreams", () => api.onError?.(from, error));
  };

  const answer = (stanza: Element, error?: StanzaError): void => {
    connection.sendElement(formatAnswer(stanza, error));
  };

  const onOpenIq = (iq: Element, child: Element): void => {
    const attrs = child.attrs as Record<string, string | undefined>;
    const blockSize = parseUnsignedShort(attrs["block-size"]);
    const request: OpenRequest = {
      from: ownText(String(iq.attrs["from"])),
      to:
        iq.attrs["to"] === connection.jid
          ? connection.jid
          : ownText(String(iq.attrs["to"] ?? connection.jid)),
      sid: ownText(attrs["sid"] ?? ""),
      blockSizeBytes: blockSize ?? 0,
      // XEP-0047 §2.1: the default value is "iq".
      stanza: attrs["stanza"] === "message" ? "message" : "iq",
    };
    let stream: ManagedBytestream;
    try {
      checkOpen(request, blockSize, attrs["stanza"] ?? "iq");
      stream = add(request);
    } catch (error) {
      if (!(error instanceof StanzaError)) warn("onOpen of In-Band Bytestreams failed", error);
      answer(iq, error instanceof StanzaError ? error : new StanzaError("internal-server-error", "wait"));
      return;
    }
    answer(iq);
    callGuarded("onStream of In-Band Bytestreams", () => api.onStream?.(stream));
  };

  const onCloseIq = (iq: Element, child: Element): void => {
    const key = keyOf(String(iq.attrs["from"]), String(child.attrs["sid"]));
    const stream = streams.get(key);
    // Both sides have closed at the same time.
    if (stream === undefined && closingKeys.has(key)) return answer(iq);
    if (stream === undefined) {
      tellStray(String(iq.attrs["from"]));
      answer(iq, new StanzaError("item-not-found", "cancel"));
      return;
    }
    const ofSession = session;
    stream.onPeerClose(() => {
      // The server of a later session never saw the request.
      if (ofSession === session) answer(iq);
    });
  };

  const onData = (stanza: Element, data: Element, chars: number, kind: "message" | "iq"): void => {
    const key = keyOf(String(stanza.attrs["from"]), String(data.attrs["sid"]));
    const stream = streams.get(key);
    if (stream === undefined && kind === "message" && closingKeys.has(key)) return;
    const error =
      stream === undefined
        ? new StanzaError("item-not-found", "cancel")
        : stream.onData(data.attrs["seq"] as string | undefined, data.text(), chars, kind);
    // A stanza that ended its stream is a fault, not a stray.
    if (error !== undefined && stream?.state !== "closed") tellStray(String(stanza.attrs["from"]));
    if (error !== undefined || kind === "iq") answer(stanza, error);
  };

  /** Receives a headline without data of XEP-0047. Returns false when it is no lean stanza for us. */
  const onHeadline = (stanza: Element, chars: number): boolean => {
    const { from, id } = stanza.attrs as Record<string, string | undefined>;
    if (from === undefined || !isChildless(stanza)) return false;
    const stream = id === undefined ? undefined : tagged.get(from, id);
    if (id !== undefined && stream !== undefined) {
      const error = isProbe(id) ? onProbe(stream, id) : stream.onLean(id, chars);
      if (error !== undefined) connection.sendElement(formatLeanAnswer(stanza, id, error));
      // A stanza that ended its stream is a fault, not a stray.
      if (error !== undefined && stream.state !== "closed") tellStray(from);
      return true;
    }
    // Anybody may send such messages to a client.
    if (connection.kind === "client" && !countByPeer.has(from)) return false;
    // The stanza is of an earlier stream, or its sender has no stream. It has no answer.
    if (id === undefined || !tagged.isClosing(from, id)) tellStray(from);
    return true;
  };

  const onProbe = (stream: ManagedBytestream, id: string): undefined => {
    const chars = readProbe(id);
    if (chars === undefined) tellStray(stream.peer);
    else callGuarded("a probe handler", () => stream.onProbe?.(chars));
  };

  const onMessageError = (stanza: Element): boolean => {
    const from = String(stanza.attrs["from"]);
    const id = String(stanza.attrs["id"] ?? "");
    const data = stanza.getChild("data", NS.IBB);
    // A server may return an error without the data.
    const block = parseBlockId(id);
    const sid = (data?.attrs["sid"] as string | undefined) ?? block?.sid;
    if (sid === undefined && isChildless(stanza)) {
      // A probe that did not arrive changes nothing.
      if (isProbe(id)) return true;
      if (isLeanText(id) && onLeanError(stanza, from, id)) return true;
    }
    const stream = sid === undefined ? undefined : streams.get(keyOf(from, sid));
    // The last data before our close have returned. Nobody waits for them.
    if (stream === undefined && sid !== undefined && closingKeys.has(keyOf(from, sid))) return true;
    if (stream === undefined && sid !== undefined) tellStray(from);
    if (stream === undefined && !countByPeer.has(from)) return data !== undefined;
    const error = parseStanzaError(stanza);
    // XEP-0047 §2.2: an error of delivery suspends the stream, an error about the data closes it.
    if (stream === undefined) tellError(from, error);
    else if (!isDeliveryError(error)) stream.endAndClose({ by: "peer", error });
    else {
      const seq = block?.seq ?? parseUnsignedShort(data?.attrs["seq"] as string | undefined);
      if (!stream.onBounce(error, seq, block?.attempt)) tellError(from, error);
    }
    return true;
  };

  /** Receives a returned lean stanza, whose id names its stream. Returns false when there is no such stream. */
  const onLeanError = (stanza: Element, from: string, id: string): boolean => {
    const stream = tagged.get(from, id);
    if (stream === undefined) return tagged.isClosing(from, id);
    const error = parseStanzaError(stanza);
    if (isDeliveryError(error)) tellError(from, error);
    else stream.endAndClose({ by: "peer", error });
    return true;
  };

  const endAll = (end: BytestreamEnd): void => {
    for (const stream of [...streams.values()]) stream.end(end);
  };

  const onStanza: StanzaHandler = (stanza, chars = 0) => {
    const { name } = stanza;
    if (name === "presence") return false;
    const { type } = stanza.attrs as Record<string, string | undefined>;
    if (name === "message" && type === "error") return onMessageError(stanza);
    const child = ibbChild(stanza);
    if (child === undefined) return name === "message" && type === "headline" && onHeadline(stanza, chars);
    if (name === "message") {
      if (child.name !== "data") return false;
      // A stanza without a sender cannot be answered.
      if (stanza.attrs["from"] !== undefined) onData(stanza, child, chars, "message");
      return true;
    }
    if (type !== "set" || stanza.attrs["from"] === undefined || stanza.attrs["id"] === undefined)
      return false;
    switch (child.name) {
      case "open":
        onOpenIq(stanza, child);
        return true;
      case "close":
        onCloseIq(stanza, child);
        return true;
      case "data":
        onData(stanza, child, chars, "iq");
        return true;
    }
    return false;
  };

  const pumpAll = (): void => {
    for (const stream of written) stream.pump();
  };

  const undos = [
    connection.onStanza(onStanza),
    connection.on("drain", pumpAll),
    connection.on("online", ({ resumed }) => {
      // Peers do not know a client's new session. A component keeps its address, and `seq` reveals missing blocks.
      if (!resumed && connection.kind === "client") {
        session++;
        endAll({ by: "transport" });
      } else pumpAll();
    }),
    connection.on("ended", () => {
      endAll({ by: "transport" });
    }),
  ];

  const api: InBandBytestreams = {
    onOpen: undefined,
    onStream: undefined,
    onError: undefined,
    onStray: undefined,
    async open(address, openOptions: OpenOptions = {}) {
      // Stanzas arrive with the address as the server prepares it, so the stream's key needs that form.
      const peer = prepareJid(address);
      const { blockSizeBytes = maxBlockSizeBytes, stanza = "message", signal } = openOptions;
      const { timeoutMs = OPEN_TIMEOUT_MS } = openOptions;
      const largest = Math.min(blockSizeBytes, maxBlockSizeBytes);
      let sid = openOptions.sid ?? randomText(4);
      while (openOptions.sid === undefined && isUsed(peer, sid)) sid = randomText(4);
      const request: OpenRequest = { from: peer, to: connection.jid, sid, blockSizeBytes: largest, stanza };
      if (!SID.test(sid) || isUsed(peer, sid))
        throw new StanzaError("not-acceptable", "cancel", "this sid was used, or is not a name token");
      // Added before the answer arrives, since the peer's first data may follow the answer at once.
      const stream = add(request);
      try {
        stream.agree(await offer(connection, request, largest, monotonicNow() + timeoutMs, signal));
        return stream;
      } catch (error) {
        // The peer may have accepted although its answer is late. A close ends its half of the stream.
        const unsure = !(error instanceof StanzaError);
        stream[unsure ? "endAndClose" : "end"]({ by: "local" });
        throw error;
      }
    },
    counts: () => ({ open: streams.size, closing: closingKeys.size, usedSids: used.size }),
    dispose() {
      for (const undo of undos) undo();
      endAll({ by: "local" });
    },
  };
  return api;
}
