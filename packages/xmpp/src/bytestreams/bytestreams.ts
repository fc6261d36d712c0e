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

/** XEP-0047 §2.1: the largest a block may be. */
const MAX_BLOCK_SIZE_BYTES = 65_535;
const DEFAULTS = { maxBlockSizeBytes: MAX_BLOCK_SIZE_BYTES, maxStreams: 100_000, sidReuseMs: 3_600_000 };
/** For an open, however many sizes it takes, in ms. */
const OPEN_TIMEOUT_MS = 30_000;
/** Most sids and tags remembered after use: 125,000 opens an hour on one connection, about 40 MB. */
const MAX_USED_SIDS = 250_000;
/** Most closes that await their answers at once; a peer that makes us close more of them is told without waiting. */
const MAX_CLOSING = 1_000;

/**
 * The In-Band Bytestreams (XEP-0047) of one connection. Takes data stanzas before any other handler that comes later.
 * Without `createSender` they are sent by `stanza` alone, and a page need not load what `write` needs.
 */
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
  /** Closed by us and not answered yet: the peer's data may still be on its way, and is no fault (XEP-0047 §2.3). */
  const closingKeys = new Set<string>();
  /** Those that may have something waiting for the connection. */
  const written = new Set<ManagedBytestream>();
  let session = 0;
  /** By peer, for errors that name no sid. */
  const countByPeer = new Map<string, number>();

  // A peer may not speak in another's stream, so the key begins with who sent it. XML has no U+0000, so that neither an address
  // nor a sid, whatever a peer writes for one, reaches over the end of its part.
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
    // Both sides close at once.
    if (stream === undefined && closingKeys.has(key)) return answer(iq);
    if (stream === undefined) {
      tellStray(String(iq.attrs["from"]));
      answer(iq, new StanzaError("item-not-found", "cancel"));
      return;
    }
    const ofSession = session;
    stream.onPeerClose(() => {
      // Nobody asked in a later session.
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
    // What ended its stream was wrong in itself.
    if (error !== undefined && stream?.state !== "closed") tellStray(String(stanza.attrs["from"]));
    if (error !== undefined || kind === "iq") answer(stanza, error);
  };

  /** A headline without data of XEP-0047: a lean stanza, or none of ours. */
  const onHeadline = (stanza: Element, chars: number): boolean => {
    const { from, id } = stanza.attrs as Record<string, string | undefined>;
    if (from === undefined || !isChildless(stanza)) return false;
    const stream = id === undefined ? undefined : tagged.get(from, id);
    if (id !== undefined && stream !== undefined) {
      const error = isProbe(id) ? onProbe(stream, id) : stream.onLean(id, chars);
      if (error !== undefined) connection.sendElement(formatLeanAnswer(stanza, id, error));
      // What ended its stream was wrong in itself.
      if (error !== undefined && stream.state !== "closed") tellStray(from);
      return true;
    }
    // A client may get such messages from anybody.
    if (connection.kind === "client" && !countByPeer.has(from)) return false;
    // Of an earlier stream, or of nobody who has one: no answer.
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
    // A server may send an error back without what it is about.
    const block = parseBlockId(id);
    const sid = (data?.attrs["sid"] as string | undefined) ?? block?.sid;
    if (sid === undefined && isChildless(stanza)) {
      // Nothing depends on a probe that did not arrive.
      if (isProbe(id)) return true;
      if (isLeanText(id) && onLeanError(stanza, from, id)) return true;
    }
    const stream = sid === undefined ? undefined : streams.get(keyOf(from, sid));
    // What was said last, before our close, came back: nobody waits for it.
    if (stream === undefined && sid !== undefined && closingKeys.has(keyOf(from, sid))) return true;
    if (stream === undefined && sid !== undefined) tellStray(from);
    if (stream === undefined && !countByPeer.has(from)) return data !== undefined;
    const error = parseStanzaError(stanza);
    // XEP-0047 §2.2: on errors of delivery suspend, on errors of the data close.
    if (stream === undefined) tellError(from, error);
    else if (!isDeliveryError(error)) stream.endAndClose({ by: "peer", error });
    else {
      const seq = block?.seq ?? parseUnsignedShort(data?.attrs["seq"] as string | undefined);
      if (!stream.onBounce(error, seq, block?.attempt)) tellError(from, error);
    }
    return true;
  };

  /** A lean stanza came back, whose id says of which stream. False: it is of none that there is. */
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
      // Without a sender there is nobody to answer.
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
      // A client's new session is a stranger to its peers. A component keeps its address, and seq finds any hole.
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
      // Stanzas come from the address as the server prepares it, and a stream is known by that.
      const peer = prepareJid(address);
      const { blockSizeBytes = maxBlockSizeBytes, stanza = "message", signal } = openOptions;
      const { timeoutMs = OPEN_TIMEOUT_MS } = openOptions;
      const largest = Math.min(blockSizeBytes, maxBlockSizeBytes);
      let sid = openOptions.sid ?? randomText(4);
      while (openOptions.sid === undefined && isUsed(peer, sid)) sid = randomText(4);
      const request: OpenRequest = { from: peer, to: connection.jid, sid, blockSizeBytes: largest, stanza };
      if (!SID.test(sid) || isUsed(peer, sid))
        throw new StanzaError("not-acceptable", "cancel", "this sid was used already, or is no name token");
      // Known before the answer comes: the peer's first data may be right behind it.
      const stream = add(request);
      try {
        stream.agree(await offer(connection, request, largest, monotonicNow() + timeoutMs, signal));
        return stream;
      } catch (error) {
        // The peer may have accepted though its answer was late: it must not keep half a stream.
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
