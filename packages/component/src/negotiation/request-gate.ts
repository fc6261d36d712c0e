import { StanzapackError } from "@stanzapack/wire";
import {
  monotonicNow,
  bareJid,
  StanzaError,
  type Connection,
  type Element,
  type IqHandler,
} from "@stanzapack/xmpp";
import type { Budgets } from "../budgets/budgets.js";
import { toStanzaError } from "../forms/errors.js";
import { processorMs } from "../base/processor-time.js";
import { countRefusal } from "../base/refusals.js";
import type { ComponentStats } from "../base/stats.js";

/** Most requests that wait for the stream to the server to take their answers, and most of one bare JID among them. */
const MAX_WAITING = 1_000;
const MAX_WAITING_OF_JID = 50;
/** A request that has waited this long is refused, in ms: its client may have given it up. */
const MAX_WAIT_MS = 8_000;
/** Time to retry for refused requests, in ms: from this to twice as much. */
const COME_AGAIN_MS = 1_000;
/** Bytes of an answer that one request of a budget pays for: the server has to route them. */
const BYTES_A_REQUEST = 4_096;

type IqRequest = Parameters<IqHandler>[0];
type IqAnswer = ReturnType<IqHandler>;

interface Waiting {
  readonly from: string;
  readonly since: number;
  readonly answer: () => void;
  readonly refuse: (error: Error) => void;
}

/**
 * Stands before the handlers of iq requests. Charges each request what it cost, in processor time and in bytes of its
 * answer. While the stream to the server is backed up, requests wait in turn, and are refused beyond bounds. So a
 * server that reads answers slowly receives no more of them.
 */
export class RequestGate {
  /** The connection, for handlers that are to stand behind the gate. */
  readonly guarded: Connection;
  private readonly waiting: Waiting[] = [];
  private readonly waitingOf = new Map<string, number>();
  private next: NodeJS.Immediate | undefined;
  private readonly undo: (() => void)[];

  constructor(
    private readonly connection: Connection,
    private readonly budgets: Budgets,
    private readonly stats: ComponentStats,
    /** Both clocks are in ms. */
    private readonly clock: () => number = monotonicNow,
    private readonly workMs: () => number = processorMs,
  ) {
    this.guarded = Object.create(connection, {
      onIq: {
        value: (type: "get" | "set", ns: string, name: string, handler: IqHandler) =>
          connection.onIq(type, ns, name, this.guard(handler)),
      },
      onOtherIq: { value: (handler: IqHandler) => connection.onOtherIq(this.guard(handler)) },
    }) as Connection;
    this.undo = [
      connection.on("drain", () => this.release()),
      connection.on("online", () => this.release()),
      connection.on("offline", () => this.drop()),
    ];
  }

  stop(): void {
    for (const off of this.undo) off();
    clearImmediate(this.next);
    this.drop();
  }

  private guard(handler: IqHandler): IqHandler {
    return (request) => {
      const answer = (): IqAnswer => this.answer(request, handler);
      if (this.waiting.length === 0 && this.connection.writable) return answer();
      return this.wait(request, answer);
    };
  }

  private answer(request: IqRequest, handler: IqHandler): IqAnswer {
    const before = this.workMs();
    try {
      const answer = handler(request);
      if (answer instanceof Promise)
        answer.then(
          (element) => this.chargeBytes(request.from, element),
          () => undefined,
        );
      else this.chargeBytes(request.from, answer);
      return answer;
    } finally {
      this.budgets.chargeWork(request.from, this.workMs() - before);
    }
  }

  private chargeBytes(from: string, answer: Element | undefined): void {
    // The request itself pays for the first `BYTES_A_REQUEST` bytes.
    if (answer !== undefined)
      this.budgets.charge(from, Math.max(0, Buffer.byteLength(answer.toString()) / BYTES_A_REQUEST - 1));
  }

  private wait({ from }: IqRequest, answer: () => IqAnswer): Promise<Element | undefined> {
    const account = bareJid(from);
    const own = this.waitingOf.get(account) ?? 0;
    if (this.waiting.length >= MAX_WAITING || own >= MAX_WAITING_OF_JID) throw this.refusal(from);
    this.waitingOf.set(account, own + 1);
    return new Promise((resolve, reject) => {
      this.waiting.push({
        from,
        since: this.clock(),
        answer: () => {
          try {
            resolve(answer());
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)));
          }
        },
        refuse: reject,
      });
    });
  }

  /** The stream takes more: answers the next request. When that answer is written, answers the one after it. */
  private release(): void {
    if (this.next !== undefined || this.waiting.length === 0 || !this.connection.writable) return;
    const request = this.take();
    if (this.clock() - request.since > MAX_WAIT_MS) request.refuse(this.refusal(request.from));
    else request.answer();
    this.next = setImmediate(() => {
      this.next = undefined;
      this.release();
    });
  }

  /** No answer gets through. The server has sent an error to those who asked. */
  private drop(): void {
    while (this.waiting.length > 0) this.take().refuse(new StanzaError("remote-server-timeout", "wait"));
  }

  private take(): Waiting {
    const next = this.waiting.shift() as Waiting;
    const account = bareJid(next.from);
    const left = (this.waitingOf.get(account) ?? 1) - 1;
    if (left === 0) this.waitingOf.delete(account);
    else this.waitingOf.set(account, left);
    return next;
  }

  private refusal(jid: string): Error {
    this.stats.throttled++;
    const retryAfterMs = Math.ceil(COME_AGAIN_MS * (1 + Math.random()));
    const error = new StanzapackError("busy", "the component's server reads its answers too slowly", {
      retryAfterMs,
    });
    countRefusal(this.stats, jid, error);
    return toStanzaError(error) as Error;
  }
}
