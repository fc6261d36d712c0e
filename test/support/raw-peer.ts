import { decodeBlock, DEFAULT_LIMITS, encodeFrame, type Frame } from "@stanzapack/wire";
import {
  decodeBase64,
  encodeBase64,
  NS,
  parseStanzaError,
  randomText,
  StanzaError,
  xml,
  type Connection,
  type Element,
} from "@stanzapack/xmpp";
import { HELLO } from "./raw-link.js";

/** `result`, or the error's condition and, if there is one, the application's condition: `bad-request, invalid-jid`. */
export function outcomeOf(error: unknown): string {
  if (!(error instanceof StanzaError)) throw error;
  return [error.condition, ...(error.application === undefined ? [] : [error.application.name])].join(", ");
}

/**
 * Sends stanzas to the component under any JID that the server allows to `connection`, with any sid, any seq and in any
 * order.
 */
export class RawPeer {
  /** Sid of the link opened last. Empty: there is no link. */
  sid = "";
  /** Every frame received with that sid. */
  frames: Frame[] = [];
  /** Outcomes of the message errors received. */
  readonly errors: string[] = [];
  private nextSeq = 0;

  constructor(
    private readonly connection: Connection,
    private readonly component: string,
    /** A component's connection may use any JID of its domain. */
    readonly jid: string = connection.jid,
  ) {
    connection.onStanza((stanza) => {
      const { from, to, type } = stanza.attrs as Record<string, string | undefined>;
      if (stanza.name !== "message" || from !== component || to !== jid) return false;
      const data = stanza.getChild("data", NS.IBB);
      if (type === "error") this.errors.push(outcomeOf(parseStanzaError(stanza)));
      else if (data !== undefined && data.attrs["sid"] === this.sid)
        this.frames.push(...decodeBlock(decodeBase64(data.text()) as Uint8Array, DEFAULT_LIMITS));
      return true;
    });
  }

  /** Sends an iq and returns the answer. Rejects with `StanzaError`. With `to` empty, the own server answers. */
  ask(type: "get" | "set", child: Element, to = this.component): Promise<Element> {
    const iq = xml("iq", { type, to: to === "" ? undefined : to }, child);
    if (this.connection.kind === "component") iq.attrs["from"] = this.jid;
    return this.connection.request(iq, { timeoutMs: 10_000 });
  }

  async outcome(type: "get" | "set", child: Element, to?: string): Promise<string> {
    return await this.ask(type, child, to).then(() => "result", outcomeOf);
  }

  /** Resolves when the component has handled everything sent before, and the resulting stanzas have arrived. */
  async settled(): Promise<void> {
    await this.ask("get", xml("query", NS.DISCO_INFO));
  }

  open(sid: string): Promise<string> {
    return this.outcome("set", xml("open", { xmlns: NS.IBB, sid, "block-size": "65535", stanza: "message" }));
  }

  /** Opens a link, which replaces the link before. */
  async link(): Promise<this> {
    // Set before the request, since HELLO may arrive together with the answer.
    this.sid = randomText(6);
    this.frames = [];
    const outcome = await this.open(this.sid);
    if (outcome !== "result") throw new Error(`${this.jid} may not open a link: ${outcome}`);
    this.nextSeq = 0;
    this.send({ ...HELLO, calls: true, maps: true, digests: true });
    await this.settled();
    return this;
  }

  send(...frames: Frame[]): void {
    this.sendBlock(this.sid, this.nextSeq++, frames);
  }

  /** Sends a data stanza that any session could have written. */
  sendBlock(sid: string, seq: number, frames: readonly Frame[]): void {
    const base64 = frames.map((frame) => encodeBase64(encodeFrame(frame))).join("");
    this.write(xml("data", { xmlns: NS.IBB, sid, seq: String(seq) }, base64), { type: "headline" });
  }

  write(child: Element, attrs: Readonly<Record<string, string>>): void {
    const message = xml("message", { ...attrs, to: this.component }, child);
    if (this.connection.kind === "component") message.attrs["from"] = this.jid;
    this.connection.sendElement(message);
  }

  /** Sends any stanza unchanged. */
  sendStanza(stanza: Element): void {
    this.connection.sendElement(stanza);
  }

  /** The component's BYE, if it sent one. */
  get bye(): string | undefined {
    const bye = this.frames.find((frame) => frame.type === "bye");
    return bye && `BYE ${bye.code}`;
  }
}
