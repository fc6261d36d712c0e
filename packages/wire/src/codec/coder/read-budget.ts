import { StanzapackError } from "../../base/errors.js";

/** What every coded frame counts for beside its values: a codec made for it takes some 50 µs. */
const FRAME_VALUES = 64;

/**
 * What reading the coded frames of one block may take, all together: predictable values cost no bytes, so that a block's
 * size bounds nothing. Values, and bytes of text, each at most as many as a block may inflate to.
 */
export class ReadBudget {
  values: number;
  textBytes: number;
  private frames = 0;

  constructor(private readonly most: number) {
    this.values = this.textBytes = most;
  }

  /** Values of this block so far, without what its frames count for. */
  get used(): number {
    return this.most - this.values - this.frames * FRAME_VALUES;
  }

  /** Of a new block. */
  renew(): void {
    this.values = this.textBytes = this.most;
    this.frames = 0;
  }

  /** Before a frame is read. Throws `limit-exceeded`. */
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
