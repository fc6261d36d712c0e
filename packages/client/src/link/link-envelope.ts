import { Envelope, type EnvelopeFrame, type EnvelopePort, type HelloFrame } from "@stanzapack/wire";
import { monotonicNow, type Bytestream } from "@stanzapack/xmpp";

/** In which stanzas the blocks of one direction travel: lean stanzas where they fit, or In-Band Bytestreams alone. */
export type EnvelopeKind = "lean" | "ibb";

/** What it asks of its link. */
export interface EnvelopeHost {
  sendFrame(frame: EnvelopeFrame): void;
  /** Writes one stanza that is no block. */
  write(stanza: string): void;
  /** What goes up is lean from now on; or the probe was lost. Each at most once. */
  onEnvelope(kind: EnvelopeKind): void;
}

/** Lean stanzas on one link of the client: probes, and what an inactive client has to settle before its server hears of it. */
export class LinkEnvelope implements EnvelopePort {
  private readonly state = new Envelope(this);
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly told = new Set<EnvelopeKind>();
  private ended = false;
  /** Who waits until the component sends In-Band Bytestreams alone. */
  private waits: ((isQuiet: boolean) => void)[] = [];
  /** The last stanza that came was lean. */
  cameLean = false;

  constructor(
    private readonly stream: Bytestream,
    private readonly host: EnvelopeHost,
    /** Whether lean stanzas are used at all. */
    private readonly enabled: boolean,
  ) {
    stream.onProbe = (chars) => this.state.onProbe(chars);
    this.state.onQuiet = () => this.settle(true);
  }

  /** What our HELLO says of it. */
  get offer(): HelloFrame["lean"] {
    return this.enabled ? { tag: null } : null;
  }
  get up(): EnvelopeKind {
    return this.state.lean ? "lean" : "ibb";
  }
  get down(): EnvelopeKind {
    return this.cameLean ? "lean" : "ibb";
  }

  /** The component's HELLO came. */
  begin(hello: HelloFrame): void {
    const now = monotonicNow();
    const tag = hello.lean?.tag ?? null;
    if (this.enabled && tag !== null) this.stream.setTag(tag);
    this.state.start(hello, this.stream.tag !== undefined, now);
    this.watchProbe();
  }

  onFrame(frame: EnvelopeFrame): void {
    this.state.onFrame(frame);
  }

  /** Stanzas were made. */
  sent(): void {
    if (!this.stream.wantsLonger) return;
    this.stream.wantsLonger = false;
    this.state.wantLonger();
  }

  /** Of `EnvelopePort`. */
  sendFrame(frame: EnvelopeFrame): void {
    this.host.sendFrame(frame);
  }

  /** Of `EnvelopePort`. */
  probe(chars: number): void {
    if (!this.ended) this.host.write(this.stream.probeStanza(chars));
  }

  /** Of `EnvelopePort`. */
  use(chars: number): void {
    this.stream.leanChars = chars;
    if (chars > 0) this.tell("lean");
  }

  /**
   * Asks the component for In-Band Bytestreams alone. True, or resolves true, once it sends nothing else; false where lean stanzas are
   * welcome again before, or the link ends.
   */
  quiet(): true | Promise<boolean> {
    if (this.ended) return Promise.resolve(false);
    this.state.askIbb();
    if (this.state.quiet) return true;
    return new Promise((resolve) => this.waits.push(resolve));
  }

  /** After `quiet`: lean stanzas are welcome again. */
  resume(): void {
    this.settle(false);
    if (!this.ended) this.state.resume();
  }

  end(): void {
    this.ended = true;
    clearTimeout(this.timer);
    this.settle(false);
  }

  private watchProbe(): void {
    const now = monotonicNow();
    if (this.state.expire(now)) return this.tell("ibb");
    const { expiresAt } = this.state;
    // Timers may fire a part of a millisecond early.
    if (expiresAt !== undefined)
      this.timer = setTimeout(() => this.watchProbe(), Math.max(1, expiresAt - now));
  }

  private tell(kind: EnvelopeKind): void {
    if (this.told.has(kind)) return;
    this.told.add(kind);
    this.host.onEnvelope(kind);
  }

  private settle(isQuiet: boolean): void {
    const { waits } = this;
    this.waits = [];
    for (const resolve of waits) resolve(isQuiet);
  }
}
