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
   * Longest time the server may hold a request, in ms. Default 30,000. On an idle session, the client notices a
   * vanished server only after this time. An empty exchange takes some 350 bytes.
   */
  readonly waitMs: number;
  /**
   * Wait for an answer that is due, in ms. After it the request is sent again. Default 10,000: in a slow network an
   * answer is late, not lost.
   */
  readonly answerMs: number;
  /**
   * Smallest such wait, in ms. Once answers have arrived, the wait follows the time that they take (RFC 6298), down to
   * this. Default 1,000 (RFC 6298 §2.4).
   */
  readonly answerMinMs: number;
  /** The wait when a later request is answered already, in ms. Default 2,000: servers answer in order. */
  readonly overtakenMs: number;
  /**
   * First delay before a request is sent again after a second fault, in ms. It doubles with each fault, with full
   * jitter. Default 200.
   */
  readonly retryMinMs: number;
  /** Largest such delay, in ms. Default 3,000. */
  readonly retryMaxMs: number;
  /**
   * Time after which a session without any answer is given up, in ms. Default 60,000, and at most the server's
   * `inactivity`.
   */
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

/** Sends requests to the server until each has its one answer. The answers may arrive in any order. */
export interface BoshCourier {
  /**
   * Time for which requests are sent again after faults, in ms. Undefined before there is a session. Then no request is
   * sent again, since a second one could create a second session.
   */
  patienceMs: number | undefined;
  /** How much the times of answers differ, in ms. */
  readonly unevenMs: number;
  send(request: BoshRequest): void;
  close(): void;
}

/** One request under way, which may have been sent before. */
interface Trip {
  readonly request: BoshRequest;
  cancel: AbortController | undefined;
  timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer fires. */
  dueAt: number;
  tries: number;
  /** Time since which the answer is due, in ms: the server must not hold the request any more. */
  dueSince: number | undefined;
  /** The first fault of this request. */
  fault: XmppError | undefined;
}

/** Reasons to abort a copy of a request: the request was answered, or is sent again, or the courier is closed. */
const ANSWERED = new XmppError("aborted", "the request was answered");
const GIVEN_UP = new XmppError("aborted", "the request was given up");

/** A request of a session that no server has. The server answers it at once, with an error. */
const NOBODYS = formatBody({ rid: 1, sid: "none" }, "");

export function createBoshCourier(
  poster: HttpPoster,
  timing: BoshTiming,
  hooks: BoshCourierHooks,
): BoshCourier {
  const trips = new Map<number, Trip>();
  const answerTime = new AnswerTime(Math.min(timing.answerMinMs, timing.answerMs), timing.answerMs);
  /** Time of the first fault since the last answer. */
  let troubleSince: number | undefined;
  let newest = 0;

  const hasSession = (): boolean => courier.patienceMs !== undefined;

  const stopTrip = (trip: Trip): void => {
    clearTimeout(trip.timer);
    trip.cancel?.abort(GIVEN_UP);
  };

  /** Shortens a wait so that it ends with `patienceMs`. Then the session is given up in time. */
  const withinPatience = (ms: number): number =>
    troubleSince === undefined
      ? ms
      : Math.max(0, Math.min(ms, troubleSince + (courier.patienceMs ?? 0) - monotonicNow()));

  /** Expects the answer within `dueMs` from now. After it the request is sent again. */
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
   * Checks whether the server will ever answer this request. ejabberd (23.01 to 26) sets aside a request that overtook
   * the one before. It then holds the earlier request, even if it is sent again. So it answers neither until there is
   * other data for us. When the server answers another request and not this one, which was due long before, the session
   * is lost. A new session is quicker than waiting.
   */
  const doubt = async (trip: Trip, { signal }: AbortController): Promise<void> => {
    const { tries } = trip;
    await poster.post(NOBODYS, signal);
    if (signal.aborted || trip.tries !== tries) return;
    hooks.onFail(new XmppError("disconnected", "the server holds a request that it should have answered"));
  };

  const doubtSoon = (trip: Trip, cancel: AbortController): void => {
    const timer = setTimeout(() => {
      // The server cannot be reached, so this shows nothing.
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
    // XEP-0124 §8: the server holds one request, so it answers the older of two at once.
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
    // The first repetition has no delay: the server may have closed a connection that was kept open.
    const delay = trip.tries === 1 ? 0 : backoffMs({ minMs, maxMs }, trip.tries - 2, Math.random());
    sendAgain(trip, error, delay);
  };

  const onAnswer = (trip: Trip, { status, text }: HttpAnswer): void => {
    const { rid } = trip.request;
    let body: BoshBody;
    try {
      if (status !== 200) {
        // Before there is a session, the status cannot be about a session.
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
      // XEP-0124 §17.3: this request, and all unanswered ones before it, are sent again.
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
        // The server does not hold the request that creates the session.
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
