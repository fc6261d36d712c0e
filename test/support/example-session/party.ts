import { until } from "@stanzapack/testkit";
import { encodeFrame, type Frame } from "@stanzapack/wire";
import { encodeBase64, NS, xml, type Element } from "@stanzapack/xmpp";
import { StreamParser } from "../../../packages/xmpp/src/xml/stream-parser.js";
import type { RawStream } from "../raw-stream.js";

/** One stanza of a party's stream, as the party sent or received it. */
export interface Entry {
  readonly party: string;
  readonly direction: "sends" | "receives";
  readonly stanza: Element;
}

/** Longest time for a stanza to arrive on an idle machine, in ms. */
const NORMAL_MS = 5_000;

/** A client that writes each stanza by hand and records its stream. Its ids and sid are the same each time. */
export class Party {
  private readonly parser = new StreamParser();
  /** Stanzas that `take` has not returned yet. */
  private entries: Entry[] = [];
  private received: Element[] = [];
  private parsedChars = 0;
  private awaited = 0;
  private nextId = 1;
  private nextSeq = 0;

  constructor(
    readonly name: string,
    private readonly stream: RawStream,
    private readonly component: string,
    readonly sid: string,
  ) {
    this.parser.on("element", (stanza: Element) => {
      this.received.push(stanza);
      this.entries.push({ party: name, direction: "receives", stanza });
    });
    this.parser.write(`<stream xmlns='${NS.CLIENT}'>`);
  }

  /** Sends a stanza to the component, unless the stanza has its own `to`. */
  send(stanza: Element): void {
    stanza.attrs["to"] ??= this.component;
    this.pump();
    this.entries.push({ party: this.name, direction: "sends", stanza });
    this.stream.write(stanza.toString());
  }

  ask(type: "get" | "set", child: Element, to = this.component): void {
    this.send(xml("iq", { to, type, id: `${this.name.slice(0, 1).toLowerCase()}${this.nextId++}` }, child));
  }

  /** Sends frames in one block. */
  sendFrames(...frames: Frame[]): void {
    const base64 = frames.map((frame) => encodeBase64(encodeFrame(frame))).join("");
    const data = xml("data", { xmlns: NS.IBB, sid: this.sid, seq: String(this.nextSeq++) }, base64);
    this.send(xml("message", { type: "headline" }, data));
  }

  /** Waits for `count` more stanzas. Returns the last of them. */
  async receives(count: number): Promise<Element> {
    this.awaited += count;
    const hasCome = (): boolean => {
      this.pump();
      return this.received.length >= this.awaited;
    };
    await until(hasCome, NORMAL_MS, `stanza ${this.awaited} of ${this.name}`).catch((error: unknown) => {
      throw new Error(`${String(error)}; the last one is ${String(this.received.at(-1))}`);
    });
    return this.received[this.awaited - 1] as Element;
  }

  /** Returns the stanzas since the last call, in order. */
  take(): Entry[] {
    this.pump();
    const { entries } = this;
    this.entries = [];
    return entries;
  }

  private pump(): void {
    const { text } = this.stream;
    const fresh = text.slice(this.parsedChars);
    this.parsedChars = text.length;
    if (fresh !== "") this.parser.write(fresh);
  }
}
