import { fits, type Scale } from "./scaled.js";

/** Numbers in a row that fit a scale: from here on one that does not is an exception. */
const SETTLED = 4;
/** A scale that is finer by less costs less than exceptions do. */
const LEAST_FINER = 2;
/** Exceptions weigh less and less; with so much of them the finer scale pays. */
const STRAIN_DECAY = 0.875;
const MOST_STRAIN = 1.4;
/** So many numbers in a row that fit the former scale: it is worth telling again. */
const HOMEWARD = 8;

/**
 * Which scale an encoder gives its numbers: a number with far more digits than those before is an exception, told with all of
 * its bits; when such numbers come often the scale becomes finer, and coarser again when they are over. Only encoders decide.
 */
export class ScalePolicy {
  /** Numbers in a row that fitted. */
  private settled = 0;
  private strain = 0;
  /** The scale before the one that was made finer. */
  private home: Scale | undefined;
  private homeward = 0;

  /** Of a number that fits the scale: the scale to go back to, or undefined to stay. */
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

  /** Of a number that needs the scale `wanted`: whether it is an exception. If not, that scale holds from now on. */
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
