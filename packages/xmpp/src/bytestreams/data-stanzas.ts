import { SEQ_COUNT } from "./bytestream-sender.js";
import type { Connection } from "../connection/connection.js";
import type { OutBlock } from "./in-band-bytestreams.js";
import {
  fitsLabel,
  formatProbe,
  framesLabel,
  leanChars,
  leanEnd,
  leanFrames,
  MAX_OUTSTANDING,
  tagChar,
} from "./lean-stanzas.js";
import * as NS from "../base/namespaces.js";
import { ownText } from "../base/own-text.js";
import { escapeAttribute } from "../xml/xml.js";

/** Makes the text of one direction's data stanzas. Blocks of XEP-0047 and lean stanzas share their numbers. */
export class DataStanzas {
  /** Tag of the stream in lean stanzas. Undefined: no lean stanzas. */
  tag: number | undefined = undefined;
  /** Longest id of a lean stanza that may be sent, in characters. 0: no lean stanzas. */
  leanChars = 0;
  /** A block was not sent as a lean stanza, because `leanChars` is too small. */
  wantsLonger = false;
  /** Stanzas made so far. */
  sent = 0;
  private arrived = 0;
  /** The text with which all stanzas of the newest kind begin, in one piece. */
  private head: string | undefined = undefined;
  private headIsLean = false;

  constructor(
    private readonly connection: Connection,
    private readonly own: string,
    private readonly peer: string,
    private readonly sid: string,
  ) {}

  /** Stanzas that are not known to have arrived. */
  get outstanding(): number {
    return this.sent - this.arrived;
  }

  confirm(count: number): void {
    this.arrived = Math.max(this.arrived, Math.min(count, this.sent));
  }

  data(base64: string): string {
    if (this.head === undefined || this.headIsLean) {
      this.head = ownText(`${this.start()}><data xmlns='${NS.IBB}' sid='${escapeAttribute(this.sid)}' seq='`);
      this.headIsLean = false;
    }
    return `${this.head}${String(this.takeSeq())}'>${base64}</data></message>`;
  }

  /** Makes a lean stanza when that is allowed, otherwise a block of XEP-0047. */
  block({ base64, pad, body, label }: OutBlock): string {
    if (this.leanChars === 0 || this.tag === undefined || this.outstanding >= MAX_OUTSTANDING)
      return this.data(base64);
    const isShort = body !== undefined && fitsLabel(body, label);
    const lean = isShort ? body : leanFrames(base64, pad);
    if (lean === undefined) return this.data(base64);
    if (leanChars(lean) > this.leanChars) {
      this.wantsLonger = true;
      return this.data(base64);
    }
    if (this.head === undefined || !this.headIsLean) {
      this.head = ownText(`${this.start()} id='${tagChar(this.tag)}`);
      this.headIsLean = true;
    }
    return this.head + leanEnd(lean, isShort ? label : framesLabel(lean), this.takeSeq());
  }

  /** Makes a probe whose id has `chars` characters. A probe has no number. Throws `TypeError` without a tag. */
  probe(chars: number): string {
    if (this.tag === undefined) throw new TypeError("a probe needs a tag");
    return `${this.start()} id='${formatProbe(this.tag, chars)}'/>`;
  }

  private takeSeq(): number {
    return this.sent++ % SEQ_COUNT;
  }

  /** A client sends no `from`: its server adds it, and each character would be in every stanza. */
  private start(): string {
    const from = this.connection.kind === "component" ? ` from='${escapeAttribute(this.own)}'` : "";
    return `<message${from} to='${escapeAttribute(this.peer)}' type='headline'`;
  }
}
