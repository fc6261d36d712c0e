import { once } from "node:events";
import { constants, createDeflate } from "node:zlib";

/**
 * What stanzas take in a stream compressed by zlib (XEP-0138), each flushed so that the peer can read it. Level 9: the
 * levels differ by hundredths of a byte a stanza, and it is the one that the rivals' figures are given with.
 */
export class SyncFlushMeter {
  private readonly deflate = createDeflate({ level: 9, flush: constants.Z_SYNC_FLUSH });
  private total = 0;
  private pending = 0;
  private onIdle: (() => void) | undefined;

  constructor() {
    this.deflate.on("data", (chunk: Buffer) => (this.total += chunk.length));
  }

  /** A promise where the next must wait: what waits is bounded. */
  add(stanza: string): Promise<unknown> | undefined {
    this.pending++;
    const room = this.deflate.write(stanza, () => {
      if (--this.pending === 0) this.onIdle?.();
    });
    return room ? undefined : once(this.deflate, "drain");
  }

  /** Bytes of all stanzas; it takes no more then. */
  async finish(): Promise<number> {
    if (this.pending > 0) await new Promise<void>((resolve) => (this.onIdle = resolve));
    while (this.deflate.readableLength > 0) await new Promise((resolve) => setImmediate(resolve));
    this.deflate.destroy();
    return this.total;
  }
}
