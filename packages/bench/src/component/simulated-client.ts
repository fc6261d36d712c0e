import {
  createHello,
  DEFAULT_LIMITS,
  DEFAULT_LINK_POLICY,
  encodeFrame,
  encodeUpdate,
  type Frame,
  type Value,
} from "@stanzapack/wire";
import { encodeBase64, isProbe, NS } from "@stanzapack/xmpp";
import { DemoError } from "../demo/failure.js";
import type { BlockReader, ReadBlock } from "./block-reader.js";
import type { Envelope } from "./methods.js";
import type { ScannedStanza } from "./stanza-scanner.js";

const { ackEveryStanzas, ackAfterMs } = DEFAULT_LINK_POLICY;
/** Longest time for a link to open, in ms. */
const JOIN_MS = 60_000;
/** Incarnation of the publisher's outbox. */
const INCARNATION = 7;

/** What a client uses of its server. */
export interface ClientHost {
  /** The component's domain. */
  readonly domain: string;
  readonly blocks: BlockReader;
  /** Writes a stanza of this client to the component. */
  send(stanza: string): void;
  /** Sends an iq with this payload. Resolves with its result, rejects with its error. */
  request(from: string, payload: string): Promise<void>;
}

/**
 * One client's link. It opens the link by XEP-0047, sends HELLO, counts stanzas, and acknowledges them as the SDK does.
 */
export class SimulatedClient {
  dataStanzas = 0;
  acknowledgements = 0;
  faults = 0;
  /** Data stanzas since the last acknowledgement. */
  private unacknowledged: number;
  private waitingSince: number | undefined;
  private sentSeq = 0;
  private receivedSeq = 0;
  /** Called with each control frame, while `until` waits. */
  private onFrame: ((frame: Frame) => void) | undefined;

  constructor(
    protected readonly host: ClientHost,
    readonly jid: string,
    private readonly sid: string,
    /**
     * From 0 up to 1: the point in its round of acknowledgements at which the client begins, so that clients
     * acknowledge at different times.
     */
    phase: number,
  ) {
    this.unacknowledged = Math.floor(phase * ackEveryStanzas);
  }

  /** Opens the link and subscribes. Rejects with the component's refusal. */
  async subscribe(node: string, windowMs: number, envelope: Envelope): Promise<void> {
    await this.open();
    const options = [
      ["pubsub#digest", "1"],
      ["pubsub#digest_frequency", String(windowMs)],
    ] as const;
    const done = this.until((frame) => frame.type === "done");
    const hello = createHello(envelope === "lean" ? { lean: { tag: null } } : {});
    this.sendFrames(hello, { type: "subscribe", request: 1, nodes: [node], options });
    await done;
  }

  protected async open(): Promise<void> {
    const open = `<open xmlns='${NS.IBB}' block-size='${DEFAULT_LIMITS.maxBlockBytes}' sid='${this.sid}' stanza='message'/>`;
    await this.host.request(this.jid, open);
  }

  /** Resolves with the first frame that `isMeant` accepts. */
  protected until(isMeant: (frame: Frame) => boolean): Promise<Frame> {
    return new Promise((resolve, reject) => {
      const end = (act: () => void): void => {
        clearTimeout(timer);
        this.onFrame = undefined;
        act();
      };
      const timer = setTimeout(
        () => end(() => reject(new DemoError("timeout", `${this.jid} got no answer on its link`))),
        JOIN_MS,
      );
      this.onFrame = (frame) => {
        if (isMeant(frame)) end(() => resolve(frame));
        else if (frame.type === "refused" || frame.type === "bye" || frame.type === "error")
          end(() => reject(new DemoError(frame.code, `${this.jid}: ${frame.text}`)));
      };
    });
  }

  sendFrames(...frames: readonly Frame[]): void {
    const base64 = frames.map((frame) => encodeBase64(encodeFrame(frame))).join("");
    const seq = this.sentSeq;
    this.sentSeq = (seq + 1) % 65_536;
    this.host.send(
      `<message from='${this.jid}' to='${this.host.domain}' type='headline'><data xmlns='${NS.IBB}' sid='${this.sid}' seq='${seq}'>${base64}</data></message>`,
    );
  }

  /** Handles a message of the component. `now` is in ms. */
  receive({ data, id }: ScannedStanza, now: number): void {
    if (data === undefined && isProbe(id))
      return this.sendFrames({ type: "envelope", word: "confirm", value: id.length });
    if (data === undefined) {
      const block = this.host.blocks.readLean(id);
      return this.take(block, block.seq === (this.receivedSeq & 0xfff), now);
    }
    this.take(
      this.host.blocks.read(data.base64),
      data.sid === this.sid && data.seq === this.receivedSeq,
      now,
    );
  }

  private take({ hasData, asksAck, frames }: ReadBlock, isDue: boolean, now: number): void {
    if (!isDue) {
      this.faults++;
      return;
    }
    this.receivedSeq = (this.receivedSeq + 1) % 65_536;
    if (this.onFrame !== undefined) for (const frame of frames) this.onFrame?.(frame);
    if (hasData) {
      this.dataStanzas++;
      this.unacknowledged++;
      this.waitingSince ??= now;
    }
    if (asksAck || this.unacknowledged >= ackEveryStanzas) this.acknowledge();
  }

  /** Called now and then. Acknowledges by time if too few stanzas arrive for an acknowledgement by number. */
  sweep(now: number): void {
    if (this.waitingSince !== undefined && now - this.waitingSince >= ackAfterMs) this.acknowledge();
  }

  acknowledge(): void {
    this.unacknowledged = 0;
    this.waitingSince = undefined;
    this.acknowledgements++;
    this.sendFrames({ type: "ack", stanzas: this.dataStanzas });
  }
}

/** A client that offers one service, and publishes to it. */
export class SimulatedPublisher extends SimulatedClient {
  private alias = -1;
  private published = 0;

  /** Offers a service of kind `value` to which everybody may subscribe. */
  async offer(node: string): Promise<void> {
    await this.open();
    const bound = this.until((frame) => frame.type === "bind");
    this.sendFrames(createHello());
    await this.host.request(
      this.jid,
      `<pubsub xmlns='${NS.PUBSUB}'><create node='${node}'/><configure/></pubsub>`,
    );
    const frame = await bound;
    if (frame.type === "bind") this.alias = frame.alias;
  }

  publish(value: Value): void {
    const position = ++this.published;
    this.sendFrames({
      ...{ type: "data", alias: this.alias, form: "rows", epoch: INCARNATION },
      ...{ from: position, to: position, at: 0, spanMs: 0 },
      payload: encodeUpdate(value, DEFAULT_LIMITS),
    });
  }
}
