import { CursorTrail } from "../cursors/cursor-trail.js";
import type { Cursor } from "../cursors/cursors.js";
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
  /** For a log, or a map with a cursor: the last position that the subscription does not receive. */
  begun: { readonly epoch: number; readonly offset: number } | undefined;
  /**
   * For a log, whether every update from the requested beginning was there. For a map with a cursor, whether the
   * component could say what has changed since. Undefined: the subscriber did not ask.
   */
  recovered: boolean | undefined;
  /** Rows sent, and rows that the consumer takes in all (CREDIT). */
  private sentRows = 0;
  private credit: number;
  /** Where the consumer stands, under a name that outlives the subscription. */
  private followed: { readonly cursor: Cursor; readonly trail: CursorTrail } | undefined;
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
    const cursor = this.cursor?.name;
    return { windowMs, selection, since: undefined, credit: this.askedCredit, cursor };
  }

  /** The options in force. */
  get granted(): GrantedOptions {
    const { begun, recovered, lane } = this;
    const { windowMs, selection, delivery } = lane.key;
    return { windowMs, selection, delivery, begun, recovered };
  }

  get cursor(): Cursor | undefined {
    return this.followed?.cursor;
  }
  /** Set when the subscription begins. Undefined: the subscription has no cursor, or not any more. */
  set cursor(cursor: Cursor | undefined) {
    this.followed = cursor && { cursor, trail: new CursorTrail() };
  }

  /**
   * False: the consumer has not read what it has, and further rows wait or give way to newer ones. For a map with a
   * cursor, credit says only what was taken: a consumer takes the entries of a pass all together, at its end.
   */
  get hasCredit(): boolean {
    return this.sentRows < this.credit || (this.followed !== undefined && this.isMap);
  }
  /** With a cursor: whether the consumer has taken everything that was sent to it. */
  get hasTakenAll(): boolean {
    return this.followed?.trail.isEmpty === true;
  }
  private get isMap(): boolean {
    return this.service.config.kind === "map";
  }

  /** `total` is absolute: a late or repeated one changes nothing. */
  raiseCredit(total: number): void {
    this.credit = Math.max(this.credit, total);
  }

  /**
   * Returns the offset of the last row that the consumer has taken. With a cursor, a consumer gives credit for as many
   * rows as it has taken. Undefined: no further row, or no cursor.
   */
  takenTo(): number | undefined {
    return this.followed?.trail.took(this.credit - this.askedCredit);
  }

  send(body: ReadyBody): void {
    const { traffic } = this.service;
    this.sentRows += body.rows;
    traffic.rowsOut += body.rows;
    traffic.bodiesOut++;
    traffic.charsOut += body.base64.length;
    this.followed?.trail.sent(body.rows, body.to, this.isMap);
    this.outlet.send(body);
  }
}
