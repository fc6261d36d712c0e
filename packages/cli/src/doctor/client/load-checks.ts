import { randomBytes } from "node:crypto";
import { NS, XmppError, type Connection } from "@stanzapack/xmpp";
import { untilAborted } from "../../base/signals.js";
import { failure, ok, skipped, warning, type Check, type Finding } from "../base/check.js";
import { FIX } from "../base/remedies.js";
import { textOf } from "../base/text-of.js";
import { LOGIN_MS, logIn, LOGINS, type ClientState } from "./client-state.js";
import { ping } from "./component-checks.js";

/** What is sent to measure the rate: 256 KiB in messages to doctor's own session, which nobody else receives. */
const TOTAL_BYTES = 262_144;
const CHUNK_BYTES = 4_096;
/** Chunks that are on the way at once. Sixteen let a path of 100 ms carry 640 kB a second. */
const IN_FLIGHT = 16;
/** Longest measurement, in ms. */
const MEASURE_MS = 5_000;
/** Rate below which a busy publisher is slowed, in bytes a second. The recommended settings allow 256,000. */
const NEEDED_BYTES_PER_SECOND = 64_000;
/** Largest stanza of ours: a block of 65,535 bytes in base64, and its envelope. In characters. */
const STANZA_CHARS = 90_000;
/** Longest time for a clean close, in ms. What waits for a server with a rate limit need not arrive. */
const CLOSE_MS = 500;
/** Longest wait for the large stanza, in ms. */
const STANZA_MS = 10_000;

export const LOAD_CHECKS: readonly Check<ClientState>[] = [
  {
    ...{ id: "rate", side: "client", deadlineMs: MEASURE_MS + 12_000, needsOneOf: LOGINS },
    /** Measures how fast the server reads. A server with a rate limit stops reading when a client is over it. */
    async run(state, signal) {
      const connection = await openSpare(state, signal);
      const rate = await measureRate(connection, state.target.domain, signal);
      if (rate.ended !== undefined) return judgeEnd(rate.ended);
      state.bytesPerSecond = rate.bytesPerSecond;
      return judgeRate(rate, state.target.loadBytesPerSecond);
    },
  },
  {
    ...{ id: "stanza-size", side: "client", deadlineMs: STANZA_MS + 12_000, needsOneOf: LOGINS },
    /** Sends the largest stanza that a client of ours sends, to its own session. */
    async run(state, signal) {
      // Rests of the measurement may wait in the old connection.
      await state.spare?.stop();
      const connection = await openSpare(state, signal);
      // Stopped at once, because a resumed session would send the stanza again.
      const outcome = await sendLarge(connection, signal).finally(() => connection.stop());
      if (outcome === "arrived") return ok(`a stanza of ${STANZA_CHARS.toLocaleString("en")} bytes arrives`);
      if (outcome !== "late")
        return failure(
          `the server ends the stream over a stanza of ${STANZA_CHARS.toLocaleString("en")} bytes (${outcome})`,
          FIX.stanzaSize,
        );
      const { bytesPerSecond = 0 } = state;
      const needsMs = (STANZA_CHARS / bytesPerSecond) * 1_000;
      if (needsMs > STANZA_MS) return skipped(`at ${kilobytes(bytesPerSecond)} this stanza takes too long`);
      return failure(
        `a stanza of ${STANZA_CHARS.toLocaleString("en")} bytes does not arrive`,
        FIX.stanzaSize,
      );
    },
  },
];

async function openSpare(state: ClientState, signal: AbortSignal): Promise<Connection> {
  const timeouts = { onlineMs: LOGIN_MS, closeMs: CLOSE_MS };
  return (state.spare = await logIn(state, state.url ?? "", signal, { timeouts }));
}

export interface MeasuredRate {
  readonly bytesPerSecond: number;
  /** All of `TOTAL_BYTES` arrived in time. */
  readonly complete: boolean;
  /** Why the stream ended meanwhile. */
  readonly ended?: XmppError;
}

async function measureRate(
  connection: Connection,
  domain: string,
  signal: AbortSignal,
): Promise<MeasuredRate> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(MEASURE_MS)]);
  const chunk = `<message type='headline' to='${connection.jid}'><doctor xmlns='${NS.STANZAPACK}'>${randomText(CHUNK_BYTES)}</doctor></message>`;
  const undo = connection.onStanza((stanza) => stanza.getChild("doctor", NS.STANZAPACK) !== undefined);
  const startedAt = performance.now();
  const arrivals: number[] = [];
  let left = TOTAL_BYTES / CHUNK_BYTES;
  const sendInTurn = async (): Promise<void> => {
    while (left > 0 && !limit.aborted) {
      left--;
      connection.send(chunk);
      // The server reads in order: it answers when it has read the chunk.
      await ping(connection, domain);
      arrivals.push(performance.now() - startedAt);
    }
  };
  let ended: XmppError | undefined;
  const undoOffline = connection.on("offline", ({ reason }) => {
    ended = reason ?? new XmppError("disconnected", "no reason");
  });
  const all = Promise.allSettled(Array.from({ length: IN_FLIGHT }, sendInTurn));
  await Promise.race([all, untilAborted(limit)]);
  undo();
  undoOffline();
  signal.throwIfAborted();
  const rate = rateOf(arrivals, TOTAL_BYTES / CHUNK_BYTES, CHUNK_BYTES, MEASURE_MS);
  return ended === undefined ? rate : { ...rate, ended };
}

/**
 * Computes the rate from the times at which chunks had been read, in ms since the start. If not all were read, a limit
 * held after its burst: then the second half of the time counts.
 */
export function rateOf(
  arrivals: readonly number[],
  chunks: number,
  chunkBytes: number,
  limitMs: number,
): MeasuredRate {
  const lastMs = arrivals.at(-1) ?? 0;
  if (arrivals.length >= chunks)
    return { bytesPerSecond: (chunks * chunkBytes * 1_000) / Math.max(1, lastMs), complete: true };
  const late = arrivals.filter((ms) => ms > limitMs / 2).length;
  return { bytesPerSecond: (late * chunkBytes * 1_000) / (limitMs / 2), complete: false };
}

/** Judges why a server ended the stream of a client that sends much. */
export function judgeEnd(reason: XmppError): Finding {
  // ejabberd takes the stanzas of one read for one stanza, and refuses it as too large.
  const fix = reason.condition === "policy-violation" ? FIX.stanzaSize : FIX.rate;
  return failure(`the server ends the stream of a client that sends 256 KiB (${textOf(reason)})`, fix);
}

/** `load`: bytes a second that the user needs. Undefined: the usual need, and then a lower rate is a warning. */
export function judgeRate({ bytesPerSecond, complete }: MeasuredRate, load: number | undefined): Finding {
  const needed = load ?? NEEDED_BYTES_PER_SECOND;
  const text = complete
    ? `${TOTAL_BYTES / 1_024} KiB were read at ${kilobytes(bytesPerSecond)}`
    : `after its burst the server reads about ${kilobytes(bytesPerSecond)} of one client`;
  if (bytesPerSecond >= needed) return ok(text);
  const low = `${text}; ${load === undefined ? "a busy publisher needs" : "the load is"} ${kilobytes(needed)}`;
  return (load === undefined ? warning : failure)(low, FIX.rate);
}

function kilobytes(bytesPerSecond: number): string {
  return `${Math.round(bytesPerSecond / 1_000).toLocaleString("en")} kB/s`;
}

/** `arrived`, `late`, or why the stream ended. */
async function sendLarge(connection: Connection, signal: AbortSignal): Promise<string> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(STANZA_MS)]);
  const undo: (() => void)[] = [];
  try {
    return await new Promise<string>((resolve) => {
      limit.addEventListener("abort", () => resolve("late"), { once: true });
      undo.push(
        connection.onStanza((stanza) => {
          if (stanza.getChild("doctor", NS.STANZAPACK) === undefined) return false;
          resolve(stanza.attrs["type"] === "error" ? "the message was returned" : "arrived");
          return true;
        }),
        connection.on("offline", ({ reason }) =>
          resolve(reason === undefined ? "no reason" : textOf(reason)),
        ),
      );
      const head = `<message type='headline' to='${connection.jid}'><doctor xmlns='${NS.STANZAPACK}'>`;
      connection.send(`${head}${randomText(STANZA_CHARS - head.length - 20)}</doctor></message>`);
    });
  } finally {
    for (const off of undo) off();
    signal.throwIfAborted();
  }
}

/** Base64 of chance, so that stream compression cannot shorten it below three quarters. */
function randomText(chars: number): string {
  return randomBytes(Math.ceil((chars * 3) / 4))
    .toString("base64")
    .slice(0, chars);
}
