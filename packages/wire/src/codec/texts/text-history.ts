const MIN_BYTES = 1 << 10;
/** Bytes of history for each place. */
const BYTES_A_PLACE = 4;

/**
 * The newest bytes of text, and where each run of bytes came last. The history grows with the text, up to its bound.
 * Then new bytes replace the oldest.
 */
export class TextHistory {
  private bytes = new Uint8Array(MIN_BYTES);
  /** Latest position, by the highest bits of a hash; 0: nowhere. */
  private places = new Int32Array(MIN_BYTES / BYTES_A_PLACE);
  private shift = Math.clz32(MIN_BYTES / BYTES_A_PLACE) + 1;
  /** Position of the next byte. */
  private at = 1;

  constructor(private readonly maxBytes: number) {}

  get byteLength(): number {
    return this.bytes.byteLength + this.places.byteLength;
  }

  byteAt(place: number): number {
    return this.bytes[place & (this.bytes.length - 1)] as number;
  }

  /** The four bytes that stand before a place. */
  wordBefore(place: number): number {
    return (
      (this.byteAt(place - 4) << 24) |
      (this.byteAt(place - 3) << 16) |
      (this.byteAt(place - 2) << 8) |
      this.byteAt(place - 1)
    );
  }

  /** Returns where the bytes of this hash came last, or 0. From now on they came last here. */
  visit(hash: number): number {
    const place = this.find(hash);
    this.places[hash >>> this.shift] = this.at;
    return place;
  }

  /** Returns where the bytes of this hash came last, or 0. */
  find(hash: number): number {
    const place = this.places[hash >>> this.shift] as number;
    return place > 0 && this.at - place < this.bytes.length ? place : 0;
  }

  append(byte: number): void {
    if (this.at === this.bytes.length && this.at < this.maxBytes) this.grow();
    this.bytes[this.at & (this.bytes.length - 1)] = byte;
    this.at++;
  }

  private grow(): void {
    const { bytes, places } = this;
    this.bytes = new Uint8Array(bytes.length * 2);
    this.bytes.set(bytes);
    this.places = new Int32Array(places.length * 2);
    // The next bit of a hash is unknown here. So each position is kept at both of its new places.
    for (let i = 0; i < places.length; i++) this.places[2 * i] = this.places[2 * i + 1] = places[i] as number;
    this.shift--;
  }
}
