import type { ClientLink } from "../links/client-link.js";
import type { Lane } from "../fanout/lane.js";
import type { SubscribeOptions } from "../negotiation/options.js";
import type { ReadyBody } from "../fanout/ready-body.js";
import type { Service } from "../catalog/service.js";

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

  constructor(
    readonly link: ClientLink,
    readonly service: Service,
    readonly alias: number,
    readonly subid: string,
    public lane: Lane,
    private readonly askedCredit = Infinity,
  ) {
    this.credit = askedCredit;
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

  send(body: ReadyBody): void {
    this.sentRows += body.rows;
    this.link.append(body.frameFor(this.alias), true, body.pad, body.lean, this.alias);
  }
}
