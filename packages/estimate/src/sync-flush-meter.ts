import { once } from "node:events";
import { constants, createDeflate } from "node:zlib";

/**
 * Counts the bytes of stanzas in a stream compressed by zlib (XEP-0138). Each stanza is flushed, so that the peer can
 * read it. Level 9: the rivals' figures use it, and the levels differ by hundredths of a byte a stanza.
 */
export class SyncFlushMeter {
  private readonly deflate = createDeflate({ level: 9, flush: constants.Z_SYNC_FLUSH });
  private total = 0;
  private pending = 0;
  private onIdle: (() => void) | undefined;

  constructor() {
    this.deflate.on("data", (chunk: Buffer) => (this.total += chunk.length));
  }

  /** Counts a stanza. Await the promise, if any, before the next call, so that the bytes that wait are bounded. */
  add(stanza: string): Promise<unknown> | undefined {
    this.pending++;
    const room = this.deflate.write(stanza, () => {
      if (--this.pending === 0) this.onIdle?.();
    });
    return room ? undefined : once(this.deflate, "drain");
  }

  /** Returns the bytes of all stanzas. No stanza can be added afterwards. */
  async finish(): Promise<number> {
    if (this.pending > 0) await new Promise<void>((resolve) => (this.onIdle = resolve));
    while (this.deflate.readableLength > 0) await new Promise((resolve) => setImmediate(resolve));
    this.deflate.destroy();
    return this.total;
  }
}
