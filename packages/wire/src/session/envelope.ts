import { assertNever } from "../base/errors.js";
import type { EnvelopeFrame, HelloFrame } from "../frames/frames.js";

/** Time in ms after which an unconfirmed probe counts as lost. 15,000: a link may take as long to send HELLO. */
export const PROBE_MS = 15_000;

/**
 * Lengths of the ids of probes, in characters. The first proves that lean stanzas arrive at all, the second that the
 * longest ones arrive.
 */
const PROBES = [66, 1_024] as const;

/** Actions of the link that `Envelope` uses. */
export interface EnvelopePort {
  /** Sends a frame in its turn. */
  sendFrame(frame: EnvelopeFrame): void;
  /** Sends a probe with an id of `chars` characters, after everything that waits. */
  probe(chars: number): void;
  /** From now on stanzas may have ids of at most `chars` characters. 0: only blocks of In-Band Bytestreams. */
  use(chars: number): void;
}

/**
 * Decides which stanzas carry the blocks of each direction of one link (docs/reference/protocol.md, Lean stanzas). This
 * side may send lean stanzas once one of its probes has arrived, and while the peer does not ask for others. The peer
 * may send them until this side asks for others. Pure: the clock is an argument.
 */
export class Envelope {
  /** Called when `quiet` becomes true. */
  onQuiet: (() => void) | undefined;
  /** Both sides list lean stanzas, and there is a tag. Undefined before the peer's HELLO. */
  private usable: boolean | undefined;
  /** Longest probe that this side has sent, and longest that the peer has confirmed, in characters; 0: none. */
  private probed = 0;
  private proven = 0;
  /** Longest probe of the peer that this side has confirmed, in characters. */
  private confirmed = 0;
  private deadline: number | undefined;
  /** The peer has asked for other stanzas. */
  private muted = false;
  /** This side has asked for other stanzas. */
  private wanted = false;
  /** Number of our last request, and of the last that was granted. */
  private asked = 0;
  private granted = 0;

  constructor(private readonly port: EnvelopePort) {}

  /** Our direction uses lean stanzas now. */
  get lean(): boolean {
    return this.proven > 0 && !this.muted;
  }

  /** The peer sends no lean stanza until `resume`: it has granted that, or the link has no lean stanzas. */
  get quiet(): boolean {
    return this.usable === false || (this.usable === true && this.wanted && this.granted === this.asked);
  }

  /** Time at which `expire` is due, in the clock of `start`; undefined if it is not due. */
  get expiresAt(): number | undefined {
    return this.deadline;
  }

  /** Call when the peer's HELLO arrives. `enabled`: our own HELLO lists lean stanzas, and the stream has its tag. */
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

  /** Call when a probe with an id of `chars` characters arrives unchanged. Each length is confirmed once. */
  onProbe(chars: number): void {
    if (chars <= this.confirmed) return;
    this.confirmed = chars;
    this.port.sendFrame({ type: "envelope", word: "confirm", value: chars });
  }

  onFrame({ word, value }: EnvelopeFrame): void {
    switch (word) {
      case "confirm":
        // Ignores a length that was not probed, or is confirmed already.
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
        // The answer to an earlier request. The answer to the last one is still on its way.
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

  /** Call when a block needs a longer id than the confirmed probe had. Sends a longer probe, once. */
  wantLonger(): void {
    if (this.lean && this.probed === PROBES[0]) this.probe(PROBES[1]);
  }

  /** Asks the peer to send other stanzas than lean ones, until `resume`. */
  askIbb(): void {
    if (this.wanted) return;
    this.wanted = true;
    if (this.usable === true) this.ask();
  }

  /** Tells the peer that lean stanzas are welcome again. */
  resume(): void {
    if (!this.wanted) return;
    this.wanted = false;
    if (this.usable === true) this.port.sendFrame({ type: "envelope", word: "resume", value: 0 });
  }

  /** Returns true once, if no probe was confirmed in time. A later confirmation counts all the same. */
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
