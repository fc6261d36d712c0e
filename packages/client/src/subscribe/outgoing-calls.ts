import {
  decodeRow,
  DEFAULT_LIMITS,
  encodeUpdate,
  StanzapackError,
  type ResultFrame,
  type Value,
} from "@stanzapack/wire";
import { deadline, monotonicNow } from "@stanzapack/xmpp";
import type { LinkCalls } from "../link/link-calls.js";

/** Time in which a call must have its result, in ms, if the program names none. */
const TIMEOUT_MS = 30_000;
/** Most calls of one subscription that wait, and most bytes of the arguments of those that are not sent yet. */
const MAX_CALLS = 256;
const MAX_UNSENT_BYTES = 4_194_304;
/** Time to retry after these bounds, in ms. */
const RETRY_AFTER_MS = 1_000;
/** Length of an id, in bytes. 12: ids of one account never meet by chance. */
const ID_BYTES = 12;

interface Outgoing {
  readonly id: Uint8Array;
  readonly method: string;
  /** Undefined once it was sent. A call that was sent is only asked for, so it needs its arguments no more. */
  args: Uint8Array | undefined;
  readonly timeoutMs: number;
  /** By the monotonic clock, in ms. */
  readonly expiresAt: number;
  /** Stops waiting on the link. */
  forget: (() => void) | undefined;
  settle: (outcome: StanzapackError | Value) => void;
}

/** A call with an id that its caller has drawn. */
export interface CallRequest {
  readonly id: Uint8Array;
  readonly method: string;
  /** As msgpack. Undefined: the call was sent before, and only its result is asked for. */
  readonly args: Uint8Array | undefined;
  readonly timeoutMs: number;
}

/**
 * Calls of all subscriptions of one client to one node. A call waits until the component has bound the subscription.
 * On a later link it is not sent again: its result is asked for.
 */
export class OutgoingCalls {
  private readonly waiting = new Set<Outgoing>();
  private unsentBytes = 0;
  /** The current link and the alias there. Undefined while the component has not bound the subscription. */
  private bound: { readonly calls: LinkCalls; readonly alias: number } | undefined;
  private ended = false;

  constructor(
    private readonly node: string,
    /** Calls leave at once from now on. */
    private readonly onReady: () => void = () => undefined,
  ) {}

  /** Whether a call that is made now leaves now. */
  get ready(): boolean {
    return this.bound?.calls.reachable === true && !this.ended;
  }

  /** Calls a method. Rejects with the errors of `Subscription.call`. */
  async call(method: string, args: unknown, timeoutMs = TIMEOUT_MS): Promise<Value> {
    const id = crypto.getRandomValues(new Uint8Array(ID_BYTES));
    return this.make({ id, method, args: encodeUpdate(args ?? null, DEFAULT_LIMITS), timeoutMs });
  }

  /** Makes a call, or asks for its result. Rejects with the errors of `Subscription.call`. */
  async make({ id, method, args, timeoutMs }: CallRequest): Promise<Value> {
    const unsentBytes = args?.length ?? 0;
    if (this.ended) throw new StanzapackError("stopped", `the subscription to \`${this.node}\` has ended`);
    if (this.waiting.size >= MAX_CALLS || this.unsentBytes + unsentBytes > MAX_UNSENT_BYTES)
      throw new StanzapackError("busy", `${this.waiting.size} calls to \`${this.node}\` wait already`, {
        scope: "call",
        retryAfterMs: RETRY_AFTER_MS,
      });
    return new Promise<Value>((resolve, reject) => {
      const cancel = deadline(timeoutMs, () => outgoing.settle(this.late(outgoing)));
      const outgoing: Outgoing = {
        ...{ id, method, args, timeoutMs, expiresAt: monotonicNow() + timeoutMs, forget: undefined },
        settle: (outcome) => {
          cancel();
          outgoing.forget?.();
          this.sent(outgoing);
          this.waiting.delete(outgoing);
          if (outcome instanceof StanzapackError) reject(outcome);
          else resolve(outcome);
        },
      };
      this.waiting.add(outgoing);
      this.unsentBytes += unsentBytes;
      this.send(outgoing);
    });
  }

  /** The component has bound the subscription on the current link. */
  onBound(calls: LinkCalls, alias: number): void {
    this.bound = { calls, alias };
    for (const outgoing of [...this.waiting]) this.send(outgoing);
    this.onReady();
  }

  /** The stream is back, with the same link. */
  resume(): void {
    for (const outgoing of [...this.waiting]) if (outgoing.args !== undefined) this.send(outgoing);
    if (this.bound !== undefined) this.onReady();
  }

  /** The component does not have the subscription now. */
  interrupt(): void {
    this.bound = undefined;
    for (const outgoing of this.waiting) {
      outgoing.forget?.();
      outgoing.forget = undefined;
    }
  }

  /** The subscription has ended. */
  finish(error: StanzapackError | undefined): void {
    this.ended = true;
    const why = error ?? new StanzapackError("stopped", `the subscription to \`${this.node}\` has ended`);
    for (const outgoing of [...this.waiting])
      outgoing.settle(outgoing.args === undefined ? unknown(`${why.text} before the result came`, why) : why);
  }

  private send(outgoing: Outgoing): void {
    const { bound } = this;
    const { id, method, args } = outgoing;
    // A call that was not sent can be sent later, and its failure can be told.
    if (bound === undefined || (args !== undefined && !bound.calls.reachable)) return;
    if (!bound.calls.supported) return outgoing.settle(this.unsupported(args === undefined));
    const timeoutMs = Math.max(1, outgoing.expiresAt - monotonicNow());
    const head = { type: "call", alias: bound.alias, id, timeoutMs, caller: null } as const;
    try {
      outgoing.forget = bound.calls.send(
        args === undefined ? { ...head, again: true } : { ...head, again: false, method, args },
        (result) => outgoing.settle(toOutcome(result)),
      );
    } catch (error) {
      return outgoing.settle(error as StanzapackError);
    }
    this.sent(outgoing);
  }

  private sent(outgoing: Outgoing): void {
    this.unsentBytes -= outgoing.args?.length ?? 0;
    outgoing.args = undefined;
  }

  private unsupported(wasSent: boolean): StanzapackError {
    const text = "the component passes no calls on";
    return wasSent ? unknown(text) : new StanzapackError("unsupported", text, { scope: "call" });
  }

  private late({ args, method, timeoutMs }: Outgoing): StanzapackError {
    if (args === undefined) return unknown(`no result of \`${method}\` came within ${timeoutMs} ms`);
    const text = `\`${method}\` was not sent: no subscription to \`${this.node}\` within ${timeoutMs} ms`;
    return new StanzapackError("timeout", text, {
      scope: "call",
      mend: "Call again: the call did not run.",
    });
  }
}

function unknown(text: string, cause?: StanzapackError): StanzapackError {
  return new StanzapackError("outcome-unknown", text, cause === undefined ? {} : { cause });
}

function toOutcome(result: ResultFrame): StanzapackError | Value {
  if (result.ok) return decodeRow(result.result);
  const { code, text, retryAfterMs } = result;
  return new StanzapackError(code, text, {
    ...{ origin: "peer", scope: "call" },
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
  });
}
