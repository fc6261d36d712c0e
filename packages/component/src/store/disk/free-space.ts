import { statfs } from "node:fs/promises";
import { monotonicNow } from "@stanzapack/xmpp";

/** How long a measurement counts, in ms. */
const FRESH_MS = 10_000;

/** The free space of a folder's disk. It is measured while somebody asks. */
export class FreeSpace {
  private known: number | undefined;
  private askedAt = -Infinity;

  constructor(private readonly folder: string) {}

  /** Bytes that a process without privileges can use, as of at most ten seconds before the last call. Undefined: unknown. */
  get bytes(): number | undefined {
    const now = monotonicNow();
    if (now - this.askedAt >= FRESH_MS) {
      this.askedAt = now;
      void this.measure();
    }
    return this.known;
  }

  private async measure(): Promise<void> {
    try {
      const { bavail, bsize } = await statfs(this.folder);
      this.known = bavail * bsize;
    } catch {
      this.known = undefined;
    }
  }
}
