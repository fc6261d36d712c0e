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

/** 144 bits of chance, nobody guesses them. */
const TOKEN_BYTES = 18;
/** What is kept of a link, and of each of its subscriptions beside its texts, in bytes of memory, generously. */
const LINK_BYTES = 512;
const SUBSCRIPTION_BYTES = 320;
/** And of each byte of a selection's fields. */
const PER_FIELD_BYTE = 4;

/** One account has at most such a part of the memory. 8: a link of 10,000 subscriptions fits with the defaults. */
const SHARES = 8;

/** A subscription as it was when its link went. */
export interface KeptSubscription {
  readonly node: string;
  readonly options: SubscribeOptions;
}

/** What a link had. */
interface Kept {
  readonly bareJid: string;
  readonly endedAt: number;
  readonly bytes: number;
  /** By the alias it had. */
  readonly subscriptions: Map<number, KeptSubscription>;
}

export interface ResumptionLimits {
  /** How long what a link had is kept after its end, in seconds. */
  readonly resumeSeconds: number;
  /** Most bytes that all of it takes; then the oldest of the account that has most is forgotten. */
  readonly maxResumeBytes: number;
}

/**
 * Resume tokens: each link has one, which works once, for its own bare JID, while the link lives, whose end nobody may have
 * noticed, and for some time after.
 */
export class Resumption {
  private readonly live = new Map<string, ClientLink>();
  private readonly tokens = new WeakMap<ClientLink, string>();
  /** By token, the oldest first. */
  private readonly kept = new Map<string, Kept>();
  /** Taken by a link that goes on restoring it. */
  private readonly claimed = new Map<ClientLink, { readonly token: string; readonly kept: Kept }>();
  private bytes = 0;
  /** The same by bare JID. */
  private readonly bytesOf = new Map<string, number>();
  /** Of what is kept and not taken: bytes, and tokens, the oldest first, by bare JID. */
  private readonly most = new Heaviest<string>();
  private readonly tokensOf = new Map<string, Set<string>>();

  constructor(
    private readonly limits: ResumptionLimits,
    private readonly now: () => number = monotonicNow,
  ) {}

  /** Ends a link that another one resumes. */
  onTakeOver: ((link: ClientLink) => void) | undefined;

  /** The token of a new link. */
  issue(link: ClientLink): Uint8Array {
    const token = randomBytes(TOKEN_BYTES);
    const key = token.toString("base64");
    this.live.set(key, link);
    this.tokens.set(link, key);
    return token;
  }

  /** What there is to restore, while the link asks with the same token and it is not too old. Throws `not-resumable`. */
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

  /** The link asks no more. */
  release(link: ClientLink): void {
    const claimed = this.claimed.get(link);
    if (claimed !== undefined) this.book(claimed.kept.bareJid, -claimed.kept.bytes);
    this.claimed.delete(link);
  }

  /** Its client goes for good, or has gone: what it says last may be read late. */
  forget(link: ClientLink): void {
    const token = this.tokens.get(link);
    if (token === undefined) return;
    this.tokens.delete(link);
    this.live.delete(token);
    this.drop(token);
  }

  /** Before its subscriptions end. */
  linkEnded(link: ClientLink): void {
    this.release(link);
    const token = this.tokens.get(link);
    if (token === undefined || !this.live.delete(token) || link.subscriptions.size === 0) return;
    const subscriptions = new Map<number, KeptSubscription>();
    let bytes = LINK_BYTES;
    for (const [alias, { service, options }] of link.subscriptions) {
      const fieldBytes = bytesOf(options.selection);
      // What no frame may carry is asked for anew, by iq.
      if (fieldBytes > MAX_OPTION_BYTES) continue;
      subscriptions.set(alias, { node: service.node, options });
      bytes += SUBSCRIPTION_BYTES + 2 * service.node.length + PER_FIELD_BYTE * fieldBytes;
    }
    const share = this.limits.maxResumeBytes / SHARES;
    // Of one account its own oldest gives way, and what it is still restoring counts.
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
    // Of all accounts, the one that has most gives way.
    while (this.bytes > this.limits.maxResumeBytes && this.most.top !== undefined)
      for (const oldest of this.tokensOf.get(this.most.top) ?? []) {
        this.drop(oldest);
        break;
      }
  }

  /** It is kept no longer; what it takes still counts. */
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

  /** Forgets what is too old. A link that still restores some of it is refused its next request, and subscribes anew. */
  sweep(): void {
    // A claim that its link never ends would keep its memory from everybody for as long as the link lives.
    for (const [link, { kept }] of this.claimed) if (this.isTooOld(kept)) this.release(link);
    for (const [token, kept] of this.kept) {
      if (!this.isTooOld(kept)) return;
      this.drop(token);
    }
  }

  private isTooOld({ endedAt }: Kept): boolean {
    return this.now() - endedAt > this.limits.resumeSeconds * 1_000;
  }
}

/** Without fields it has nothing that counts. */
function bytesOf(selection: Selection): number {
  return selection.fields === null ? 0 : optionBytes(toOptionFields(formatSelectionFields(selection)));
}
