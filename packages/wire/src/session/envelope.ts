import { assertNever } from "../base/errors.js";
import type { EnvelopeFrame, HelloFrame } from "../frames/frames.js";

/** A probe that nobody has confirmed within this counts as lost, in ms. 15,000: as long as a link may take to say HELLO. */
export const PROBE_MS = 15_000;

/** Lengths of probes, in characters of id: the first proves that such messages arrive at all, the other that the longest do. */
const PROBES = [66, 1_024] as const;

/** What `Envelope` asks of its link. */
export interface EnvelopePort {
  /** Sends a frame in its turn. */
  sendFrame(frame: EnvelopeFrame): void;
  /** Sends a probe, whose id has so many characters, behind what waits. */
  probe(chars: number): void;
  /** From now on stanzas may have ids of at most so many characters; 0: blocks of In-Band Bytestreams alone. */
  use(chars: number): void;
}

/**
 * Which stanzas carry the blocks of each direction of one link (docs/reference/protocol.md, Lean stanzas). Ours may be lean once a probe of ours has
 * arrived, and while the peer does not ask for others; the peer's may until we ask. Pure: the clock is an argument.
 */
export class Envelope {
  /** Called when `quiet` becomes true. */
  onQuiet: (() => void) | undefined;
  /** Both sides list lean stanzas, and there is a tag. Undefined before the peer's HELLO. */
  private usable: boolean | undefined;
  /** Longest probe that was sent, and longest that arrived, in characters; 0: none. */
  private probed = 0;
  private proven = 0;
  /** Of the peer's probes, the longest that we have confirmed. */
  private confirmed = 0;
  private deadline: number | undefined;
  /** The peer has asked for other stanzas. */
  private muted = false;
  /** We have. */
  private wanted = false;
  /** Number of our last request, and of the last that was granted. */
  private asked = 0;
  private granted = 0;

  constructor(private readonly port: EnvelopePort) {}

  /** Our direction uses lean stanzas now. */
  get lean(): boolean {
    return this.proven > 0 && !this.muted;
  }

  /** The peer sends no lean stanza until `resume`: it has granted that, or it cannot. */
  get quiet(): boolean {
    return this.usable === false || (this.usable === true && this.wanted && this.granted === this.asked);
  }

  /** When `expire` is due, in the clock of `start`; undefined: it is not. */
  get expiresAt(): number | undefined {
    return this.deadline;
  }

  /** The peer's HELLO came. `enabled`: our own lists lean stanzas, and the stream has its tag. */
  start(peer: HelloFrame, enabled: boolean, now: number): void {
    if (this.usable !== undefined) return;
    this.usable = enabled && peer.lean !== null;
    if (!this.usable) {
      if (this.wanted) this.onQuiet?.();
      return;
    }
    this.deadline = now + PROBE_MS;
    this.probe(PROBES[0]);
    if (this.wanted) this.ask();
  }

  /** A probe of so many characters came unchanged. Each length is confirmed once. */
  onProbe(chars: number): void {
    if (chars <= this.confirmed) return;
    this.confirmed = chars;
    this.port.sendFrame({ type: "envelope", word: "confirm", value: chars });
  }

  onFrame({ word, value }: EnvelopeFrame): void {
    switch (word) {
      case "confirm":
        // Of none that we sent, or of one that is known to have arrived.
        if (!PROBES.some((chars) => chars === value)) return;
        if (value > this.probed || value <= this.proven) return;
        this.proven = value;
        this.deadline = undefined;
        return this.apply();
      case "ask":
        this.muted = true;
        this.apply();
        return this.port.sendFrame({ type: "envelope", word: "granted", value });
      case "granted":
        // Of an earlier request: the last is still on its way.
        if (value !== this.asked || this.granted === value) return;
        this.granted = value;
        if (this.wanted) this.onQuiet?.();
        return;
      case "resume":
        this.muted = false;
        return this.apply();
      default:
        assertNever(word);
    }
  }

  /** A block was too long for the probe that arrived. Sends a longer one, once. */
  wantLonger(): void {
    if (this.lean && this.probed === PROBES[0]) this.probe(PROBES[1]);
  }

  /** Asks the peer for other stanzas, until `resume`. */
  askIbb(): void {
    if (this.wanted) return;
    this.wanted = true;
    if (this.usable === true) this.ask();
  }

  /** Lean stanzas are welcome again. */
  resume(): void {
    if (!this.wanted) return;
    this.wanted = false;
    if (this.usable === true) this.port.sendFrame({ type: "envelope", word: "resume", value: 0 });
  }

  /** True once, when no probe was confirmed in time. One that is confirmed later counts all the same. */
  expire(now: number): boolean {
    if (this.deadline === undefined || now < this.deadline) return false;
    this.deadline = undefined;
    return true;
  }

  private ask(): void {
    this.port.sendFrame({ type: "envelope", word: "ask", value: ++this.asked });
  }

  private probe(chars: number): void {
    this.probed = chars;
    this.port.probe(chars);
  }

  private apply(): void {
    this.port.use(this.muted ? 0 : this.proven);
  }
}
