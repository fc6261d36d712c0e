import { Envelope, type EnvelopeFrame, type EnvelopePort, type HelloFrame } from "@stanzapack/wire";
import { monotonicNow, type Bytestream } from "@stanzapack/xmpp";

/** Form of the stanzas of one direction. `lean`: blocks that fit are lean stanzas. `ibb`: only In-Band Bytestreams. */
export type EnvelopeKind = "lean" | "ibb";

/** The calls that a `LinkEnvelope` makes to its link. */
export interface EnvelopeHost {
  sendFrame(frame: EnvelopeFrame): void;
  /** Writes one stanza that carries no block. */
  write(stanza: string): void;
  /** `lean`: the client sends lean stanzas from now on. `ibb`: the probe was lost. Each is called at most once. */
  onEnvelope(kind: EnvelopeKind): void;
}

/**
 * Lean stanzas on one link of the client. It sends the probes. For an inactive client it makes the component stop lean
 * stanzas, before the server learns that the client is inactive.
 */
export class LinkEnvelope implements EnvelopePort {
  private readonly state = new Envelope(this);
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly told = new Set<EnvelopeKind>();
  private ended = false;
  /** Calls of `quiet` that wait until the component sends only In-Band Bytestreams. */
  private waits: ((isQuiet: boolean) => void)[] = [];
  /** Whether the last stanza that arrived was lean. */
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

  /** Lean stanzas as our HELLO lists them. */
  get offer(): HelloFrame["lean"] {
    return this.enabled ? { tag: null } : null;
  }
  get up(): EnvelopeKind {
    return this.state.lean ? "lean" : "ibb";
  }
  get down(): EnvelopeKind {
    return this.cameLean ? "lean" : "ibb";
  }

  /** The HELLO of the component arrived. */
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

  /** Call after making stanzas. Sends a longer probe, once, if a block was too long for the probe that arrived. */
  sent(): void {
    if (!this.stream.wantsLonger) return;
    this.stream.wantsLonger = false;
    this.state.wantLonger();
  }

  /** Part of `EnvelopePort`. */
  sendFrame(frame: EnvelopeFrame): void {
    this.host.sendFrame(frame);
  }

  /** Part of `EnvelopePort`. */
  probe(chars: number): void {
    if (!this.ended) this.host.write(this.stream.probeStanza(chars));
  }

  /** Part of `EnvelopePort`. */
  use(chars: number): void {
    this.stream.leanChars = chars;
    if (chars > 0) this.tell("lean");
  }

  /**
   * Asks the component to send only In-Band Bytestreams. Returns true if it sends nothing else already. Otherwise
   * resolves to true once it sends nothing else, or to false if `resume` is called before, or the link ends.
   */
  quiet(): true | Promise<boolean> {
    if (this.ended) return Promise.resolve(false);
    this.state.askIbb();
    if (this.state.quiet) return true;
    return new Promise((resolve) => this.waits.push(resolve));
  }

  /** Ends `quiet`: the component may send lean stanzas again. */
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
