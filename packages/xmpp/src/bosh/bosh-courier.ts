import { AnswerTime } from "./answer-time.js";
import { monotonicNow } from "../base/clock.js";
import {
  formatBody,
  parseBody,
  toConditionError,
  toNoService,
  toStatusError,
  type BoshBody,
} from "./bosh-body.js";
import type { BoshRequest } from "./bosh-window.js";
import { XmppError } from "../base/errors.js";
import type { HttpAnswer, HttpPoster } from "../http/http-poster.node.js";
import { toXmppError } from "../stanzas/stream-errors.js";
import { backoffMs } from "../base/timing.js";

export interface BoshTiming {
  /**
   * Longest time the server may hold a request, in ms. Default 30,000: what vanished without a word on an idle session
   * is missed that late, and an empty exchange costs some 350 bytes.
   */
  readonly waitMs: number;
  /** From when an answer is due to sending the request again, in ms. Default 10,000: a slow network is no lost answer. */
  readonly answerMs: number;
  /**
   * The least of that once answers came: it follows what they take (RFC 6298), down to this, in ms. Default 1,000, its §2.4.
   */
  readonly answerMinMs: number;
  /** The same when a later request has been answered already, in ms. Default 2,000: servers answer in order. */
  readonly overtakenMs: number;
  /** First delay before a request is sent again after a second fault, in ms; doubles, with full jitter. Default 200. */
  readonly retryMinMs: number;
  /** Largest such delay, in ms. Default 3,000. */
  readonly retryMaxMs: number;
  /** How long a session without any answer is fought for, in ms. Default 60,000, never beyond the server's `inactivity`. */
  readonly giveUpMs: number;
}

export const DEFAULT_BOSH_TIMING: BoshTiming = {
  waitMs: 30_000,
  answerMs: 10_000,
  answerMinMs: 1_000,
  overtakenMs: 2_000,
  retryMinMs: 200,
  retryMaxMs: 3_000,
  giveUpMs: 60_000,
};

export interface BoshCourierHooks {
  readonly onAnswer: (rid: number, body: BoshBody) => void;
  /** Final: the session is lost. */
  readonly onFail: (error: XmppError) => void;
}

/** Brings requests to the server until each has its one answer, in whatever order those come. */
export interface BoshCourier {
  /** How long faults are fought, in ms. Undefined while there is no session, as at first: not at all, it could make two. */
  patienceMs: number | undefined;
  /** How much the times differ that answers take, in ms. */
  readonly unevenMs: number;
  send(request: BoshRequest): void;
  close(): void;
}

/** One request under way, perhaps not for the first time. */
interface Trip {
  readonly request: BoshRequest;
  cancel: AbortController | undefined;
  timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer fires. */
  dueAt: number;
  tries: number;
  /** Since when its answer is due, not held any more, in ms. */
  dueSince: number | undefined;
  /** What went wrong with it first. */
  fault: XmppError | undefined;
}

/** Why a request under way was broken off: another one like it goes, or nobody waits any more. */
const ANSWERED = new XmppError("aborted", "the request was answered");
const GIVEN_UP = new XmppError("aborted", "the request was given up");

/** Of a session that no server has: answered at once, with an error. */
const NOBODYS = formatBody({ rid: 1, sid: "none" }, "");

export function createBoshCourier(
  poster: HttpPoster,
  timing: BoshTiming,
  hooks: BoshCourierHooks,
): BoshCourier {
  const trips = new Map<number, Trip>();
  const answerTime = new AnswerTime(Math.min(timing.answerMinMs, timing.answerMs), timing.answerMs);
  /** When the first fault happened since the last answer. */
  let troubleSince: number | undefined;
  let newest = 0;

  const hasSession = (): boolean => courier.patienceMs !== undefined;

  const stopTrip = (trip: Trip): void => {
    clearTimeout(trip.timer);
    trip.cancel?.abort(GIVEN_UP);
  };

  /** No wait may outlast the patience: what is then still missing is given up on time. */
  const withinPatience = (ms: number): number =>
    troubleSince === undefined
      ? ms
      : Math.max(0, Math.min(ms, troubleSince + (courier.patienceMs ?? 0) - monotonicNow()));

  /** The answer is due within so many ms from now; then the request is sent again. */
  const expectWithin = (trip: Trip, dueMs: number): void => {
    const withinMs = withinPatience(dueMs);
    const dueAt = monotonicNow() + withinMs;
    if (dueAt >= trip.dueAt) return;
    trip.dueAt = dueAt;
    clearTimeout(trip.timer);
    trip.timer = setTimeout(() => {
      sendAgain(trip, new XmppError("timeout", "the server does not answer"), 0);
    }, withinMs);
  };

  /**
   * Has the server lost its way? ejabberd (23.01 to 26) lets a request that overtook the one before lie; it then holds that one, however
   * often it is sent again, so that neither is answered until something else comes for us. A server that answers another request, and not
   * this one, which was due long before, will not: the session is lost, and a new one is quicker than waiting.
   */
  const doubt = async (trip: Trip, { signal }: AbortController): Promise<void> => {
    const { tries } = trip;
    await poster.post(NOBODYS, signal);
    if (signal.aborted || trip.tries !== tries) return;
    hooks.onFail(new XmppError("disconnected", "the server holds a request that it should have answered"));
  };

  const doubtSoon = (trip: Trip, cancel: AbortController): void => {
    const timer = setTimeout(() => {
      // Then it cannot be reached either.
      doubt(trip, cancel).catch(() => undefined);
    }, answerTime.dueMs);
    cancel.signal.addEventListener("abort", () => {
      clearTimeout(timer);
    });
  };

  const travel = (trip: Trip): void => {
    const cancel = (trip.cancel = new AbortController());
    trip.tries++;
    trip.dueAt = Number.POSITIVE_INFINITY;
    // XEP-0124 §8: holding one, the server answers the older of two at once.
    const isNewest = trip.request.rid === newest;
    expectWithin(trip, timing.answerMs + (isNewest ? timing.waitMs : 0));
    if (!isNewest && trip.tries > 1 && hasSession()) doubtSoon(trip, cancel);
    poster.post(trip.request.body, cancel.signal).then(
      (answer) => {
        if (!cancel.signal.aborted) onAnswer(trip, answer);
      },
      (error: unknown) => {
        if (!cancel.signal.aborted) onFault(trip, toXmppError(error, "connect"));
      },
    );
  };

  const sendAgain = (trip: Trip, reason: XmppError, delayMs: number): void => {
    stopTrip(trip);
    trip.fault ??= reason;
    const now = monotonicNow();
    troubleSince ??= now;
    if (now - troubleSince >= (courier.patienceMs ?? 0)) {
      hooks.onFail(trip.fault);
      return;
    }
    trip.dueAt = 0;
    trip.timer = setTimeout(() => {
      travel(trip);
    }, withinPatience(delayMs));
  };

  const onFault = (trip: Trip, error: XmppError): void => {
    if (error.code !== "disconnected" && error.code !== "unreachable") {
      hooks.onFail(error);
      return;
    }
    const { retryMinMs: minMs, retryMaxMs: maxMs } = timing;
    // At first without delay: a connection that was kept may have been closed by the other end meanwhile.
    const delay = trip.tries === 1 ? 0 : backoffMs({ minMs, maxMs }, trip.tries - 2, Math.random());
    sendAgain(trip, error, delay);
  };

  const onAnswer = (trip: Trip, { status, text }: HttpAnswer): void => {
    const { rid } = trip.request;
    let body: BoshBody;
    try {
      if (status !== 200) {
        // Before there is a session it cannot be about one.
        const final = hasSession() ? toStatusError(status) : toNoService(status);
        if (final !== undefined) hooks.onFail(final);
        else onFault(trip, new XmppError("disconnected", `HTTP status ${String(status)}`));
        return;
      }
      body = parseBody(text);
    } catch (error) {
      hooks.onFail(toXmppError(error, "stream"));
      return;
    }
    if (body.attrs["type"] === "error") {
      // XEP-0124 §17.3: it, and all before it that have no answer, are sent again.
      for (const other of [...trips.values()]) {
        if (other.request.rid <= rid) onFault(other, toConditionError("undefined-condition"));
      }
      return;
    }
    troubleSince = undefined;
    clearTimeout(trip.timer);
    trip.cancel?.abort(ANSWERED);
    trips.delete(rid);
    if (trip.tries === 1 && trip.dueSince !== undefined) answerTime.took(monotonicNow() - trip.dueSince);
    for (const other of trips.values()) {
      if (other.request.rid < rid) expectWithin(other, timing.overtakenMs);
    }
    hooks.onAnswer(rid, body);
  };

  const courier: BoshCourier = {
    patienceMs: undefined,
    get unevenMs() {
      return answerTime.unevenMs;
    },
    send(request) {
      newest = request.rid;
      const now = monotonicNow();
      for (const older of trips.values()) {
        older.dueSince ??= now;
        expectWithin(older, answerTime.dueMs);
      }
      const trip: Trip = {
        request,
        cancel: undefined,
        timer: undefined,
        dueAt: 0,
        tries: 0,
        // The one that makes the session is not held.
        dueSince: hasSession() ? undefined : now,
        fault: undefined,
      };
      trips.set(request.rid, trip);
      travel(trip);
    },
    close() {
      for (const trip of trips.values()) stopTrip(trip);
      trips.clear();
      poster.close();
    },
  };
  return courier;
}
