import { NS, type Bytestream, type Element } from "@stanzapack/xmpp";
import type { FakeConnection } from "../base/fake-connection.js";
import { ALPHABET, isLean, readId } from "./ibb-fuzz-lean.js";

export const MAX_BLOCK_BYTES = 4_096;
export const MAX_STREAMS = 24;

/** State of one stream, as a receiver by the specification knows it. */
export interface Model {
  readonly stream: Bytestream;
  readonly blockSizeBytes: number;
  next: number;
  receivedCount: number;
  /** The result that must come next. */
  expected: string | undefined;
}

/** Knows the rules of XEP-0047, for the open streams and the sids that were used. */
export class IbbOracle {
  /** Streams by peer and sid. */
  readonly models = new Map<string, Model>();
  /** Whether the owner refuses the next stream. */
  refuse = false;
  private readonly used = new Set<string>();

  constructor(private readonly connection: FakeConnection) {}

  /** The answers that XEP-0047 allows. If a stanza has several faults, the answer may be about any of them. */
  allowedAnswers(stanza: Element): string[] {
    const { from, id, type } = stanza.attrs as Record<string, string | undefined>;
    const child = stanza.children.find(
      (it): it is Element => typeof it === "object" && it.getNS() === NS.IBB,
    );
    if (child === undefined && from !== undefined && id !== undefined && isLean(stanza))
      return this.allowedForLean(from, id);
    if (stanza.name === "presence" || type === "error" || child === undefined || from === undefined)
      return ["nothing"];
    const key = `${from} ${child.attrs["sid"]}`;
    const model = this.models.get(key);
    if (stanza.name === "message") {
      if (child.name !== "data") return ["nothing"];
      if (model === undefined)
        return this.isClosing(from, String(child.attrs["sid"])) ? ["nothing"] : ["item-not-found"];
      return this.allowedForData(model, child).flatMap((it) =>
        it === "result" || it === "gap" ? ["nothing"] : [it],
      );
    }
    if (type !== "set" || id === undefined) return ["nothing"];
    switch (child.name) {
      case "open":
        return this.allowedForOpen(key, child);
      case "close":
        // If a write waits, the answer comes after it.
        return model === undefined ? ["item-not-found"] : ["result", "nothing"];
      case "data":
        if (model === undefined) return ["item-not-found"];
        return this.allowedForData(model, child).map((it) => (it === "gap" ? "unexpected-request" : it));
    }
    return ["nothing"];
  }

  private allowedForOpen(key: string, open: Element): string[] {
    const attrs = open.attrs as Record<string, string | undefined>;
    const size = /^\d{1,5}$/.test(attrs["block-size"] ?? "") ? Number(attrs["block-size"]) : 0;
    const wrong: string[] = [];
    if (size < 1 || size > 65_535) wrong.push("bad-request");
    // `xs:NMTOKEN` of XEP-0047 §9. The fuzzer makes no other letters beyond ASCII.
    if (!/^[\w.:\-é]{1,256}$/.test(attrs["sid"] ?? "")) wrong.push("bad-request");
    if (!["iq", "message", undefined].includes(attrs["stanza"])) wrong.push("bad-request");
    if (size > MAX_BLOCK_BYTES || this.models.size >= MAX_STREAMS) wrong.push("resource-constraint");
    if (this.used.has(key) || this.refuse) wrong.push("not-acceptable");
    if (wrong.length > 0) return wrong;
    this.used.add(key);
    return ["result"];
  }

  private allowedForData(model: Model, data: Element): string[] {
    const seqText = data.attrs["seq"] as string | undefined;
    const seq = /^\d{1,5}$/.test(seqText ?? "") && Number(seqText) < 65_536 ? Number(seqText) : undefined;
    if (seq === undefined) return ["bad-request"];
    if (seq !== model.next) {
      const behind = (model.next - seq + 65_536) % 65_536;
      return behind <= Math.min(model.receivedCount, 32_768) ? ["unexpected-request"] : ["gap"];
    }
    const text = data.text();
    const bytes = Buffer.from(text, "base64");
    const wrong: string[] = [];
    // A text that decoding and encoding leave unchanged is exactly RFC 4648 §4.
    if (bytes.toString("base64") !== text) wrong.push("bad-request");
    if (bytes.length > model.blockSizeBytes || (text.length / 4) * 3 - 2 > model.blockSizeBytes)
      wrong.push("resource-constraint");
    if (wrong.length > 0) return wrong;
    model.expected = text;
    model.next = (model.next + 1) % 65_536;
    model.receivedCount++;
    return ["result"];
  }

  private allowedForLean(from: string, id: string): string[] {
    const model = [...this.models.values()].find(
      ({ stream }) =>
        stream.peer === from && stream.tag !== undefined && ALPHABET[stream.tag] === id.charAt(0),
    );
    // The stanza belongs to no stream, or is a probe. It has no answer, and causes no event.
    if (model === undefined || id.charAt(1) === ".") return ["nothing"];
    const read = readId(id);
    if (read === undefined) return ["bad-request"];
    const ahead = (read.low - (model.next % 4_096) + 4_096) % 4_096;
    if (ahead !== 0) {
      const behind = 4_096 - ahead;
      return behind <= Math.min(2_048, model.receivedCount) ? ["unexpected-request"] : ["nothing"];
    }
    if (read.base64 === undefined) return ["bad-request"];
    if (Buffer.from(read.base64, "base64").length > model.blockSizeBytes) return ["resource-constraint"];
    model.expected = read.base64;
    model.next = (model.next + 1) % 65_536;
    model.receivedCount++;
    return ["nothing"];
  }

  private isClosing(peer: string, sid: string): boolean {
    for (const { iq } of this.connection.pending)
      if (iq.attrs["to"] === peer && iq.getChild("close")?.attrs["sid"] === sid) return true;
    return false;
  }
}
