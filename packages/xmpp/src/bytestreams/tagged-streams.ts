import type { ManagedBytestream } from "./managed-bytestream.js";
import { TAG_COUNT, tagOf } from "./lean-stanzas.js";
import type { UsedSids } from "./used-sids.js";

/** The streams of one connection that may receive lean stanzas, by peer and by the tag with which the ids begin. */
export class TaggedStreams {
  /** At most 64 streams of one peer, one for each tag. */
  private readonly byPeer = new Map<string, ManagedBytestream[]>();
  /** Streams whose close the peer has not answered. Stanzas still under way are no fault (XEP-0047 §2.3). */
  private readonly closing = new Set<string>();

  /** `used` also has the tags of the last hour, since servers may send old stanzas again. */
  constructor(private readonly used: UsedSids) {}

  /**
   * Returns a tag that no stream with this peer had; undefined when none is left. The search begins with `start`, from
   * 0 to 63.
   */
  find(peer: string, start: number, nowMs: number): number | undefined {
    for (let i = 0; i < TAG_COUNT; i++) {
      const tag = (start + i) % TAG_COUNT;
      if (!this.used.has(keyOf(peer, tag), nowMs)) return tag;
    }
    return undefined;
  }

  add(stream: ManagedBytestream, nowMs: number): void {
    const { peer, tag } = stream;
    if (tag === undefined) return;
    this.used.add(keyOf(peer, tag), nowMs);
    const streams = this.byPeer.get(peer);
    if (streams === undefined) this.byPeer.set(peer, [stream]);
    else streams.push(stream);
  }

  remove(stream: ManagedBytestream, nowMs: number, closing: Promise<void> | undefined): void {
    const { peer, tag } = stream;
    if (tag === undefined) return;
    const key = keyOf(peer, tag);
    this.used.add(key, nowMs);
    const others = (this.byPeer.get(peer) ?? []).filter((other) => other !== stream);
    if (others.length === 0) this.byPeer.delete(peer);
    else this.byPeer.set(peer, others);
    if (closing === undefined) return;
    this.closing.add(key);
    void closing.then(() => this.closing.delete(key));
  }

  /** The stream to which an id of this peer belongs. */
  get(peer: string, id: string): ManagedBytestream | undefined {
    const streams = this.byPeer.get(peer);
    if (streams === undefined) return undefined;
    const tag = tagOf(id);
    for (const stream of streams) if (stream.tag === tag) return stream;
    return undefined;
  }

  /** Whether an id belongs to a stream that waits for the answer to our close. */
  isClosing(peer: string, id: string): boolean {
    if (this.closing.size === 0) return false;
    const tag = tagOf(id);
    return tag !== undefined && this.closing.has(keyOf(peer, tag));
  }
}

/** Differs from every key of a sid, which has only one U+0000. */
function keyOf(peer: string, tag: number): string {
  return `${peer}\0\0${String(tag)}`;
}
