import type { Service } from "../catalog/service.js";
import type { Lane, LaneMember } from "../fanout/lane.js";
import type { Outlet } from "../fanout/outlet.js";
import type { ReadyBody } from "../fanout/ready-body.js";
import type { GrantedOptions, SubscribeOptions } from "../options/subscribe-options.js";

/** The subscription of one subscriber to one service. */
export class Subscription<O extends Outlet = Outlet> implements LaneMember {
  /**
   * The subscription takes no bodies of its lane. Its outlet has no room, or its consumer gave no credit: then the
   * subscriber receives the newest value when that ends. A subscription to a log is also detached until it has caught
   * up with its lane.
   */
  detached = false;
  /** The last offset that a detached subscription was sent. */
  position = 0;
  /** For a log, the last position that the subscription does not receive. */
  begun: { readonly epoch: number; readonly offset: number } | undefined;
  /** For a log, whether every update from the requested beginning was there. Undefined: the subscriber did not ask. */
  recovered: boolean | undefined;
  /** Rows sent, and rows that the consumer takes in all (CREDIT). */
  private sentRows = 0;
  private credit: number;
  /** Since when the subscription awaits a first value, in ms. */
  awaitingSince = 0;

  constructor(
    readonly outlet: O,
    readonly service: Service,
    readonly subid: string,
    public lane: Lane<Subscription>,
    private readonly askedCredit = Infinity,
  ) {
    this.credit = askedCredit;
  }

  /** Options to ask for the subscription again: what is in force, and the credit that it began with. */
  get options(): SubscribeOptions {
    const { windowMs, selection } = this.lane.key;
    return { windowMs, selection, since: undefined, credit: this.askedCredit };
  }

  /** The options in force. */
  get granted(): GrantedOptions {
    const { begun, recovered, lane } = this;
    const { windowMs, selection, delivery } = lane.key;
    return { windowMs, selection, delivery, begun, recovered };
  }

  /** False: the consumer has not read what it has, and further rows wait or give way to newer ones. */
  get hasCredit(): boolean {
    return this.sentRows < this.credit;
  }

  /** `total` is absolute: a late or repeated one changes nothing. */
  raiseCredit(total: number): void {
    this.credit = Math.max(this.credit, total);
  }

  send(body: ReadyBody): void {
    this.sentRows += body.rows;
    this.outlet.send(body);
  }
}
