import {
  decodeRow,
  DEFAULT_LIMITS,
  encodeUpdate,
  StanzapackError,
  type CallFrame,
  type ErrorCode,
  type NewCallFrame,
  type Value,
} from "@stanzapack/wire";
import { deadline, encodeBase64, monotonicNow } from "@stanzapack/xmpp";
import { textOf } from "../base/text-of.js";
import type { CallOutcome } from "../link/link-calls.js";

/** What a handler is told of a call. */
export interface CallContext {
  readonly method: string;
  /** Bare JID of the caller, as the server has authenticated it. */
  readonly caller: string;
  /** Aborts when the caller's time is over, and when the service ends. */
  readonly signal: AbortSignal;
}

/**
 * Answers the calls of one method. Returns the result, or its promise: a value that can be published. Undefined becomes
 * null. An exception becomes the caller's `call-failed`, with the message of the exception.
 */
export type CallHandler<A = Value> = (args: A, context: CallContext) => unknown;

/** Most handlers of one service that run at once. */
const MAX_RUNNING = 256;
/**
 * How long the first calls wait for the first handler, in ms. A program that offers its service again gets the calls that
 * waited for it with the component's answer, before it can add a handler.
 */
const FIRST_HANDLER_MS = 1_000;
/** How long a result is remembered, in ms. 600,000: as long as a resume token, and the longest call. */
const REMEMBERED_MS = 600_000;
/**
 * Most bytes of the remembered results of one service, and bytes that each result counts beside its own. 1 MiB: 8,192
 * small results. Beyond, the caller with most bytes loses its oldest result.
 */
const MAX_REMEMBERED_BYTES = 1_048_576;
const RESULT_BYTES = 128;
/** Time to retry for a call that found all handlers running, in ms. */
const RETRY_AFTER_MS = 1_000;

interface Running {
  /** Answers the link on which the call came last. */
  answer: (outcome: CallOutcome) => void;
  readonly abort: (reason: StanzapackError) => void;
}

interface Remembered {
  outcome: CallOutcome;
  bytes: number;
  readonly until: number;
}

/** Remembered results of one caller, the oldest first, by the id of their call. */
interface Caller {
  bytes: number;
  readonly results: Map<string, Remembered>;
}

/** A failure of a handler, for the program that publishes. */
export interface CallFailure {
  readonly method: string;
  readonly caller: string;
  readonly error: unknown;
}

/**
 * The publisher's side of the calls to one service. A new call runs once. Its result is remembered for a while, so that
 * a caller, or the component, can ask for it again after a lost link.
 */
export class CallHandlers {
  private readonly handlers = new Map<string, CallHandler<never>>();
  private readonly running = new Map<string, Running>();
  private readonly callers = new Map<string, Caller>();
  private bytes = 0;
  private ended = false;
  /** Calls that wait for the first handler. Undefined: none waited yet, or none waits any more. */
  private early: { readonly calls: (() => void)[]; readonly cancel: () => void } | undefined;
  /** Calls wait no more: there was a handler, or none came in time. */
  private hasWaited = false;

  constructor(
    private readonly node: string,
    private readonly onFailed: (failure: CallFailure) => void,
    private readonly now: () => number = monotonicNow,
  ) {}

  /** Adds the handler of a method. Returns a function that removes it. Throws `usage` if the method has one. */
  handle<A>(method: string, handler: CallHandler<A>): () => void {
    if (this.handlers.has(method))
      throw new StanzapackError("usage", `\`${this.node}\` has a handler for \`${method}\` already`);
    this.handlers.set(method, handler);
    // The program may be about to add more.
    if (this.early !== undefined) setTimeout(() => this.endWait(), 0);
    else this.hasWaited = true;
    return () => {
      if (this.handlers.get(method) === handler) this.handlers.delete(method);
    };
  }

  /** Takes a call. Calls `answer` at most once, perhaps later. */
  take(frame: CallFrame, answer: (outcome: CallOutcome) => void): void {
    if (this.ended) return;
    const caller = frame.caller ?? "";
    const id = encodeBase64(frame.id);
    const running = this.running.get(keyOf(caller, id));
    if (running !== undefined) {
      running.answer = answer;
      return;
    }
    const remembered = this.callers.get(caller)?.results.get(id);
    if (remembered !== undefined && remembered.until > this.now()) return answer(remembered.outcome);
    if (frame.again) return answer(failure("outcome-unknown", "the publisher does not remember the call"));
    const handler = this.handlers.get(frame.method);
    if (handler === undefined) {
      if (this.mayWait(() => this.take(frame, answer))) return;
      return answer(failure("unknown-method", `\`${this.node}\` has no method \`${frame.method}\``));
    }
    if (this.running.size >= MAX_RUNNING)
      return answer(failure("busy", `${this.running.size} calls of \`${this.node}\` run`, RETRY_AFTER_MS));
    void this.run(frame, caller, id, handler, answer);
  }

  /** Returns whether the call waits for the first handler. */
  private mayWait(again: () => void): boolean {
    if (this.hasWaited) return false;
    this.early ??= { calls: [], cancel: deadline(FIRST_HANDLER_MS, () => this.endWait()) };
    if (this.early.calls.length >= MAX_RUNNING) return false;
    this.early.calls.push(again);
    return true;
  }

  private endWait(): void {
    const { early } = this;
    if (early === undefined) return;
    this.hasWaited = true;
    this.early = undefined;
    early.cancel();
    for (const call of early.calls) call();
  }

  private async run(
    { method, args, timeoutMs }: NewCallFrame,
    caller: string,
    id: string,
    handler: CallHandler<never>,
    answer: (outcome: CallOutcome) => void,
  ): Promise<void> {
    const key = keyOf(caller, id);
    const controller = new AbortController();
    const running: Running = { answer, abort: (reason) => controller.abort(reason) };
    this.running.set(key, running);
    const finish = (outcome: CallOutcome): void => {
      if (this.running.get(key) === running) this.running.delete(key);
      if (this.ended) return;
      this.remember(caller, id, outcome);
      running.answer(outcome);
      running.answer = () => undefined;
    };
    const cancel = deadline(timeoutMs, () => {
      const text = `\`${method}\` did not answer within the call's time`;
      // Its handler may never end. Its place is free for other calls, and its result counts if it still comes.
      finish(failure("outcome-unknown", text));
      controller.abort(new StanzapackError("timeout", text, { scope: "call" }));
    });
    finish(await this.outcomeOf(method, handler, args, { method, caller, signal: controller.signal }));
    cancel();
  }

  private async outcomeOf(
    method: string,
    handler: CallHandler<never>,
    args: Uint8Array,
    context: CallContext,
  ): Promise<CallOutcome> {
    let result: unknown;
    try {
      result = await handler(decodeRow(args) as never, context);
    } catch (error) {
      this.onFailed({ method, caller: context.caller, error });
      return failure("call-failed", safeText(error));
    }
    try {
      return { type: "result", ok: true, result: encodeUpdate(result ?? null, DEFAULT_LIMITS) };
    } catch (error) {
      this.onFailed({ method, caller: context.caller, error });
      const { code, text } = error as StanzapackError;
      return failure(code, `the call ran, but its result cannot be sent: ${text}`);
    }
  }

  private remember(caller: string, id: string, outcome: CallOutcome): void {
    const own = this.callers.get(caller) ?? { bytes: 0, results: new Map<string, Remembered>() };
    const now = this.now();
    // One that was late has a result already.
    if (own.results.has(id)) this.drop(caller, own, id);
    for (const [old, { until }] of own.results) {
      if (until > now) break;
      this.drop(caller, own, old);
    }
    const bytes = RESULT_BYTES + (outcome.ok ? outcome.result.length : outcome.text.length);
    own.results.set(id, { outcome, bytes, until: now + REMEMBERED_MS });
    this.callers.set(caller, own);
    own.bytes += bytes;
    this.bytes += bytes;
    while (this.bytes > MAX_REMEMBERED_BYTES) this.dropOldest();
  }

  /** Forgets the oldest result of the caller with most bytes, so that nobody's calls cost the memory of others. */
  private dropOldest(): void {
    let most: readonly [string, Caller] | undefined;
    for (const entry of this.callers) if (most === undefined || entry[1].bytes > most[1].bytes) most = entry;
    if (most === undefined) return;
    const [oldest] = most[1].results.keys();
    if (oldest !== undefined) this.drop(...most, oldest);
  }

  private drop(caller: string, own: Caller, id: string): void {
    const { bytes } = own.results.get(id) ?? { bytes: 0 };
    own.results.delete(id);
    own.bytes -= bytes;
    this.bytes -= bytes;
    if (own.results.size === 0) this.callers.delete(caller);
  }

  /** The service has ended: handlers are aborted, and nothing is answered any more. */
  finish(): void {
    this.ended = true;
    // The component answers the calls that have not run.
    this.early?.cancel();
    this.early = undefined;
    this.callers.clear();
    this.bytes = 0;
    const running = [...this.running.values()];
    this.running.clear();
    const text = `the publisher of \`${this.node}\` stopped before the result came`;
    for (const { answer, abort } of running) {
      answer(failure("outcome-unknown", text));
      abort(new StanzapackError("stopped", text, { scope: "call" }));
    }
  }
}

function keyOf(caller: string, id: string): string {
  return `${caller}\n${id}`;
}

/** Returns the message of what a handler threw: never its stack. */
function safeText(error: unknown): string {
  try {
    return String(textOf(error));
  } catch {
    return "an error without text";
  }
}

function failure(code: ErrorCode, text: string, retryAfterMs: number | null = null): CallOutcome {
  return { type: "result", ok: false, code, text: text.slice(0, DEFAULT_LIMITS.maxTextChars), retryAfterMs };
}
