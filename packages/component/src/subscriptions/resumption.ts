import { monotonicNow } from "@stanzapack/xmpp";
import { randomBytes } from "node:crypto";
import {
  formatSelectionFields,
  MAX_OPTION_BYTES,
  optionBytes,
  StanzapackError,
  toOptionFields,
  type Selection,
} from "@stanzapack/wire";
import type { ClientLink } from "../links/client-link.js";
import { Heaviest } from "../base/heaviest.js";
import type { SubscribeOptions } from "../options/subscribe-options.js";

/** Length of a token, in bytes. 18: nobody guesses 144 random bits. */
const TOKEN_BYTES = 18;
/** Memory of a kept link, and of each of its subscriptions without texts, in bytes. Both are generous estimates. */
const LINK_BYTES = 512;
const SUBSCRIPTION_BYTES = 320;
/** Memory for each byte of a selection's fields, in bytes. */
const PER_FIELD_BYTE = 4;

/** One account has at most the memory divided by this. 8: a link of 10,000 subscriptions fits with the defaults. */
const SHARES = 8;

/** A subscription as it was when its link ended. */
export interface KeptSubscription {
  readonly node: string;
  readonly options: SubscribeOptions;
}

/** The subscriptions of a link that has ended. */
interface Kept {
  readonly bareJid: string;
  readonly endedAt: number;
  readonly bytes: number;
  /** By alias on that link. */
  readonly subscriptions: Map<number, KeptSubscription>;
}

export interface ResumptionLimits {
  /** How long the subscriptions of a link are kept after its end, in seconds. */
  readonly resumeSeconds: number;
  /** Most bytes of memory of all kept links. Beyond, the account with most bytes loses its oldest link. */
  readonly maxResumeBytes: number;
}

/**
 * Resume tokens. Each link has one, which works once, for the link's own bare JID. It works for some time after the
 * link's end. It also works while the link lives, because nobody may have noticed the client's end.
 */
export class Resumption {
  private readonly live = new Map<string, ClientLink>();
  private readonly tokens = new WeakMap<ClientLink, string>();
  /** Kept links by token, the oldest first. */
  private readonly kept = new Map<string, Kept>();
  /** Kept links that another link is restoring. */
  private readonly claimed = new Map<ClientLink, { readonly token: string; readonly kept: Kept }>();
  private bytes = 0;
  /** Bytes by bare JID. */
  private readonly bytesOf = new Map<string, number>();
  /** Bytes of the kept links that no link has claimed, by bare JID. `tokensOf` has their tokens, the oldest first. */
  private readonly most = new Heaviest<string>();
  private readonly tokensOf = new Map<string, Set<string>>();

  constructor(
    private readonly limits: ResumptionLimits,
    private readonly now: () => number = monotonicNow,
  ) {}

  /** Called to end a live link that another link resumes. */
  onTakeOver: ((link: ClientLink) => void) | undefined;

  /** Returns the token of a new link. */
  issue(link: ClientLink): Uint8Array {
    const token = randomBytes(TOKEN_BYTES);
    const key = token.toString("base64");
    this.live.set(key, link);
    this.tokens.set(link, key);
    return token;
  }

  /**
   * Returns the subscriptions to restore. The same link may call this again with the same token, until it releases them
   * or they are too old. Throws `not-resumable`.
   */
  claim(link: ClientLink, bytes: Uint8Array): Map<number, KeptSubscription> {
    const token = Buffer.from(bytes).toString("base64");
    const before = this.claimed.get(link);
    if (before?.token === token) return before.kept.subscriptions;
    const holder = this.live.get(token);
    if (holder !== undefined && holder !== link && holder.bareJid === link.bareJid) this.onTakeOver?.(holder);
    const kept = this.kept.get(token);
    if (kept?.bareJid !== link.bareJid)
      throw new StanzapackError(
        "not-resumable",
        "the token is unknown, was used, is too old, or another account's",
      );
    this.take(token, kept);
    this.release(link);
    this.claimed.set(link, { token, kept });
    return kept.subscriptions;
  }

  /** The link restores no more. */
  release(link: ClientLink): void {
    const claimed = this.claimed.get(link);
    if (claimed !== undefined) this.book(claimed.kept.bareJid, -claimed.kept.bytes);
    this.claimed.delete(link);
  }

  /** The link's client does not come back. Its last frame may be read after the link's end. */
  forget(link: ClientLink): void {
    const token = this.tokens.get(link);
    if (token === undefined) return;
    this.tokens.delete(link);
    this.live.delete(token);
    this.drop(token);
  }

  /** The link has ended. Keeps its subscriptions, so call this before they end. */
  linkEnded(link: ClientLink): void {
    this.release(link);
    const token = this.tokens.get(link);
    if (token === undefined || !this.live.delete(token) || link.subscriptions.size === 0) return;
    const subscriptions = new Map<number, KeptSubscription>();
    let bytes = LINK_BYTES;
    for (const [alias, { service, options }] of link.subscriptions) {
      const fieldBytes = bytesOf(options.selection) + (options.cursor?.length ?? 0);
      // The client requests anew, by iq, what no frame may carry.
      if (fieldBytes > MAX_OPTION_BYTES) continue;
      subscriptions.set(alias, { node: service.node, options });
      bytes += SUBSCRIPTION_BYTES + 2 * service.node.length + PER_FIELD_BYTE * fieldBytes;
    }
    const share = this.limits.maxResumeBytes / SHARES;
    // Within an account, its oldest kept link makes room. Links that the account is still restoring count too.
    const { bareJid } = link;
    for (const oldest of this.tokensOf.get(bareJid) ?? []) {
      if ((this.bytesOf.get(bareJid) ?? 0) + bytes <= share) break;
      this.drop(oldest);
    }
    if ((this.bytesOf.get(bareJid) ?? 0) + bytes > share) return;
    this.kept.set(token, { bareJid, endedAt: this.now(), bytes, subscriptions });
    this.tokensOf.set(bareJid, (this.tokensOf.get(bareJid) ?? new Set()).add(token));
    this.most.add(bareJid, bytes);
    this.book(bareJid, bytes);
    // Among all accounts, the one with most bytes makes room.
    while (this.bytes > this.limits.maxResumeBytes && this.most.top !== undefined)
      for (const oldest of this.tokensOf.get(this.most.top) ?? []) {
        this.drop(oldest);
        break;
      }
  }

  /** Removes a kept link. Its memory still counts. */
  private take(token: string, { bareJid, bytes }: Kept): void {
    this.kept.delete(token);
    this.most.add(bareJid, -bytes);
    const theirs = this.tokensOf.get(bareJid);
    theirs?.delete(token);
    if (theirs?.size === 0) this.tokensOf.delete(bareJid);
  }

  private book(bareJid: string, bytes: number): void {
    this.bytes += bytes;
    const own = (this.bytesOf.get(bareJid) ?? 0) + bytes;
    if (own > 0) this.bytesOf.set(bareJid, own);
    else this.bytesOf.delete(bareJid);
  }

  private drop(token: string): void {
    const kept = this.kept.get(token);
    if (kept === undefined) return;
    this.take(token, kept);
    this.book(kept.bareJid, -kept.bytes);
  }

  /**
   * Forgets what is too old. A link that still restores some of it has its next request refused, and subscribes anew.
   */
  sweep(): void {
    // Otherwise a link that never ends its claim would hold the memory as long as the link lives.
    for (const [link, { kept }] of this.claimed) if (this.isTooOld(kept)) this.release(link);
    for (const [token, kept] of this.kept) {
      if (!this.isTooOld(kept)) return;
      this.drop(token);
    }
  }

  /** Returns the nodes of all subscriptions that a bare JID could restore. */
  *keptOf(bareJid: string): Iterable<string> {
    for (const token of this.tokensOf.get(bareJid) ?? [])
      for (const { node } of this.kept.get(token)?.subscriptions.values() ?? []) yield node;
  }

  /** Forgets all links of a bare JID that have ended. */
  erase(bareJid: string): void {
    for (const [link, { kept }] of this.claimed) if (kept.bareJid === bareJid) this.release(link);
    for (const token of [...(this.tokensOf.get(bareJid) ?? [])]) this.drop(token);
  }

  private isTooOld({ endedAt }: Kept): boolean {
    return this.now() - endedAt > this.limits.resumeSeconds * 1_000;
  }
}

/** Returns the bytes of a selection that count. Without fields and keys there are none. */
function bytesOf(selection: Selection): number {
  const { fields, keys, prefix } = selection;
  return fields === null && keys === null && prefix === null
    ? 0
    : optionBytes(toOptionFields(formatSelectionFields(selection)));
}
