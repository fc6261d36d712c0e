import { encodeLanePrefix, type LaneBody } from "@stanzapack/wire";
import { encodeBase64 } from "@stanzapack/xmpp";
import type { ClientLink } from "./client-link.js";
import type { Lane, ReadyBody } from "./lane.js";
import type { SubscribeOptions } from "./negotiation/options.js";
import type { Service } from "./service.js";

/** One link's taking of one service. */
export class Subscription {
  /**
   * It takes no lane bodies: its link has too much unacknowledged, or its consumer too much unread, and it gets the newest value when that ends; or, of a log,
   * it is not where its lane is yet.
   */
  detached = false;
  /** Where it stands while detached: the last offset sent. */
  position = 0;
  /** Of a log, the last position that it was not to get. */
  begun: { readonly epoch: number; readonly offset: number } | undefined;
  /** Of a log, whether everything from where it was to begin was there; undefined where that was not asked. */
  recovered: boolean | undefined;
  /** Rows sent, and so many that its consumer takes (CREDIT). */
  private sentRows = 0;
  private credit: number;
  /** Since when it awaits a first value, in ms. */
  awaitingSince = 0;
  /** Its prefix for a body of each form, as base64. */
  private readonly ready: Record<LaneBody["form"], string>;

  constructor(
    readonly link: ClientLink,
    readonly service: Service,
    readonly alias: number,
    readonly subid: string,
    public lane: Lane,
    private readonly askedCredit = Infinity,
  ) {
    this.credit = askedCredit;
    this.ready = {
      rows: encodeBase64(encodeLanePrefix("rows", alias)),
      deflated: encodeBase64(encodeLanePrefix("deflated", alias)),
      chained: encodeBase64(encodeLanePrefix("chained", alias)),
      wide: encodeBase64(encodeLanePrefix("wide", alias)),
      key: encodeBase64(encodeLanePrefix("key", alias)),
      independent: encodeBase64(encodeLanePrefix("independent", alias)),
    };
  }

  /** For asking for it again: what is in force, and the credit that it began with. */
  get options(): SubscribeOptions {
    const { windowMs, selection } = this.lane.key;
    return { windowMs, selection, since: undefined, credit: this.askedCredit };
  }

  /** False: its consumer has not read what it has, and what comes waits or gives way to newer. */
  get hasCredit(): boolean {
    return this.sentRows < this.credit;
  }

  /** An absolute total: a late or repeated one changes nothing. */
  raiseCredit(total: number): void {
    this.credit = Math.max(this.credit, total);
  }

  send({ form, base64, pad, lean, rows }: ReadyBody): void {
    this.sentRows += rows;
    this.link.append(this.ready[form] + base64, true, pad, lean, this.alias);
  }
}
