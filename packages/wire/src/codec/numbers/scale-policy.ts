import { fits, type Scale } from "./scaled.js";

/** Numbers in a row that must fit a scale before one that does not fit may be an exception. */
const SETTLED = 4;
/** Least difference of exponents for an exception. A scale that is finer by less costs less than exceptions do. */
const LEAST_FINER = 2;
/** Factor by which exceptions weigh less after each number that fits. From `MOST_STRAIN` on, the finer scale pays. */
const STRAIN_DECAY = 0.875;
const MOST_STRAIN = 1.4;
/** Numbers in a row that must fit the former scale before the encoder returns to it. */
const HOMEWARD = 8;

/**
 * Decides which scale an encoder gives its numbers. A number with far more digits than those before is an exception,
 * and is coded with all its bits. If exceptions are frequent, the scale becomes finer. It becomes coarser again when
 * they are over. Only encoders decide.
 */
export class ScalePolicy {
  /** Numbers in a row that fitted. */
  private settled = 0;
  private strain = 0;
  /** The scale from before it was made finer. */
  private home: Scale | undefined;
  private homeward = 0;

  /** Call for a number that fits the scale. Returns the scale to return to, or undefined to stay. */
  fitted(value: number, scale: Scale): Scale | undefined {
    this.settled++;
    this.strain *= STRAIN_DECAY;
    const { home } = this;
    if (home === undefined) return undefined;
    if (home.kind === scale.kind && home.exponent >= scale.exponent) return (this.home = undefined);
    this.homeward = fits(value, home.exponent, home.kind) ? this.homeward + 1 : 0;
    if (this.homeward < HOMEWARD) return undefined;
    this.home = undefined;
    this.strain = 0;
    return home;
  }

  /**
   * Call for a number that needs the scale `wanted`. Returns whether the number is an exception. If not, `wanted` is
   * the scale from now on.
   */
  isException(wanted: Scale, scale: Scale): boolean {
    const isFar = wanted.kind !== scale.kind || wanted.exponent - scale.exponent >= LEAST_FINER;
    if (isFar && this.settled >= SETTLED) {
      this.strain += 1;
      if (this.strain < MOST_STRAIN) return true;
      this.home ??= { kind: scale.kind, exponent: scale.exponent };
    }
    this.homeward = 0;
    this.strain = 0;
    this.settled = 0;
    return false;
  }
}
