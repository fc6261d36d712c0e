import { StanzapackError, type CallFrame, type ResultFrame } from "@stanzapack/wire";

/** The parts of a link that calls use. */
export interface CallLink {
  /** Whether the component passes calls on. */
  readonly takesCalls: boolean;
  /** Whether a frame that is sent now leaves now. */
  readonly reachable: boolean;
  sendFrame(frame: CallFrame | ResultFrame): void;
}

type Unnumbered<F> = F extends unknown ? Omit<F, "call"> : never;

/** A call, or its result, without the number that one link gives it. */
export type UnnumberedCall = Unnumbered<CallFrame>;
export type CallOutcome = Unnumbered<ResultFrame>;

/** Calls that one link has sent, by number, and answers to calls that came on it. */
export class LinkCalls {
  private readonly waiting = new Map<number, (result: ResultFrame) => void>();
  private last = 0;

  constructor(private readonly link: () => CallLink) {}

  /** Whether the component passes calls on. Known once its HELLO has arrived. */
  get supported(): boolean {
    return this.link().takesCalls;
  }

  /** Whether a call that is sent now leaves now. Otherwise it may be lost with the link, and nobody could tell. */
  get reachable(): boolean {
    return this.link().reachable;
  }

  /**
   * Sends a call. `onResult` is called once, with its result, unless the link ends before. Returns a function that
   * stops waiting. Throws `too-large`.
   */
  send(call: UnnumberedCall, onResult: (result: ResultFrame) => void): () => void {
    const number = this.last;
    this.trySend({ ...call, call: number }, "the arguments do");
    this.last = (number + 1) % 2 ** 32;
    this.waiting.set(number, onResult);
    return () => this.waiting.delete(number);
  }

  onResult(frame: ResultFrame): void {
    const waiting = this.waiting.get(frame.call);
    this.waiting.delete(frame.call);
    waiting?.(frame);
  }

  /** Answers a call that came with this number. */
  answer(call: number, outcome: CallOutcome): void {
    try {
      this.trySend({ ...outcome, call }, "the call ran, but its result does");
    } catch (error) {
      const { code, text } = error as StanzapackError;
      this.link().sendFrame({ type: "result", call, ok: false, code, text, retryAfterMs: null });
    }
  }

  private trySend(frame: CallFrame | ResultFrame, what: string): void {
    try {
      this.link().sendFrame(frame);
    } catch (error) {
      if (!(error instanceof StanzapackError) || error.code !== "limit-exceeded") throw error;
      throw new StanzapackError("too-large", `${what} not fit a block of the link: ${error.text}`, {
        scope: "call",
      });
    }
  }
}
