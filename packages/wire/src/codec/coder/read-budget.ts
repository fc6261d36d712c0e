import { StanzapackError } from "../../base/errors.js";

/** Values that each coded frame counts beside its own: making a codec for it takes about 50 µs. */
const FRAME_VALUES = 64;

/**
 * Bound of the work to read all coded frames of one block. The block's size bounds nothing, because predictable values
 * take no bytes. Values, and bytes of text, are each at most `most`: the bytes that a payload may inflate to.
 */
export class ReadBudget {
  values: number;
  textBytes: number;
  private frames = 0;

  constructor(private readonly most: number) {
    this.values = this.textBytes = most;
  }

  /** Values of this block so far, without those that its frames count beside them. */
  get used(): number {
    return this.most - this.values - this.frames * FRAME_VALUES;
  }

  /** Begins a new block. */
  renew(): void {
    this.values = this.textBytes = this.most;
    this.frames = 0;
  }

  /** Call before each frame is read. Throws `limit-exceeded`. */
  begin(): void {
    this.values -= FRAME_VALUES;
    this.frames++;
    if (this.values <= 0)
      throw new StanzapackError(
        "limit-exceeded",
        `the coded frames of a block hold more than ${this.most} values`,
        {
          origin: "peer",
        },
      );
  }
}
