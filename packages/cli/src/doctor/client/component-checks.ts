import { NS, StanzaError, wallNow, xml, XmppError, type Connection } from "@stanzapack/xmpp";
import { failure, ok, skipped, type Check, type Finding } from "../base/check.js";
import { FIX } from "../base/remedies.js";
import { textOf } from "../base/text-of.js";
import { judgeClocks, readClock, readUtc, type ClockReading } from "../network/clocks.js";
import { connectionOf, LOGINS, type ClientState } from "./client-state.js";

const DEADLINE_MS = 12_000;
/** Longest wait for one answer, in ms. */
const ANSWER_MS = 8_000;
/** Longest wait for the id of a process, in ms. It is asked beside a login too, which must not wait long. */
const PROCESS_MS = 3_000;
/** Pings of which the middle one counts. */
const PINGS = 5;
/** Questions by which processes are told apart. Two processes chosen by chance answer alike once in 500,000 times. */
const ASKS = 20;

export const COMPONENT_CHECKS: readonly Check<ClientState>[] = [
  {
    ...{ id: "ping", side: "client", deadlineMs: DEADLINE_MS, needsOneOf: LOGINS },
    async run(state) {
      const connection = connectionOf(state);
      const times: number[] = [];
      for (let i = 0; i < PINGS; i++) times.push(await ping(connection, state.target.domain));
      return ok(`${state.target.domain} answers a ping in ${middle(times)} ms`);
    },
  },
  {
    ...{ id: "component", side: "client", deadlineMs: DEADLINE_MS, needsOneOf: LOGINS },
    /** Service discovery shows that iqs travel to the component and back. */
    async run(state, signal) {
      const { component } = state.target;
      const connection = connectionOf(state);
      const startedAt = performance.now();
      const iq = xml("iq", { type: "get", to: component }, xml("query", NS.DISCO_INFO));
      try {
        const answer = await connection.request(iq, { signal, timeoutMs: ANSWER_MS });
        const features = answer.getChild("query", NS.DISCO_INFO)?.getChildren("feature") ?? [];
        const tookMs = Math.round(performance.now() - startedAt);
        return features.some(({ attrs }) => attrs["var"] === NS.STANZAPACK)
          ? ok(`${component} is a Stanzapack component, and answers in ${tookMs} ms`)
          : failure(`${component} answers, and is no Stanzapack component`, FIX.notStanzapack);
      } catch (error) {
        if (error instanceof StanzaError || (error instanceof XmppError && error.code === "timeout"))
          return failure(`${component} does not answer (${textOf(error)})`, FIX.component);
        throw error;
      }
    },
  },
  {
    ...{ id: "one-process", side: "client", deadlineMs: DEADLINE_MS, needs: ["component"] },
    /** With several components of one domain, the iqs of a client are answered by different processes. */
    async run(state) {
      await askProcesses(state, connectionOf(state), ASKS);
      return judgeProcesses(state.target.component, state.processes.size);
    },
  },
  {
    ...{ id: "clock", side: "client", deadlineMs: 2 * ANSWER_MS + 2_000, needsOneOf: LOGINS },
    async run(state, signal) {
      const { component, domain } = state.target;
      const readings: ClockReading[] = [];
      for (const [whose, to] of [
        ["the server", domain],
        ["the component", component],
      ] as const) {
        const reading = await askTime(connectionOf(state), whose, to, signal);
        if (reading !== undefined) readings.push(reading);
        else if (whose === "the server" && state.httpDate !== undefined) {
          const { theirs, asked, answered } = state.httpDate;
          readings.push(readClock("the web server", theirs, asked, answered, 1_000));
        }
      }
      return readings.length === 0 ? skipped("nobody tells the time (XEP-0202)") : judgeClocks(readings);
    },
  },
];

/** XEP-0199. A server without it answers with an error, which takes as long. Returns the time in ms. */
export async function ping(connection: Connection, to: string): Promise<number> {
  const startedAt = performance.now();
  const iq = xml("iq", { type: "get", to }, xml("ping", NS.PING));
  await connection.request(iq, { timeoutMs: ANSWER_MS }).catch((error: unknown) => {
    if (!(error instanceof StanzaError)) throw error;
  });
  return performance.now() - startedAt;
}

/** Adds the ids of the processes that answer `times` questions. An older component adds none. */
export async function askProcesses(
  { target, processes }: ClientState,
  connection: Connection,
  times: number,
): Promise<void> {
  const asking = Array.from({ length: times }, async () => {
    const iq = xml("iq", { type: "get", to: target.component }, xml("process", NS.STANZAPACK));
    const answer = await connection.request(iq, { timeoutMs: PROCESS_MS });
    const id: unknown = answer.getChild("process", NS.STANZAPACK)?.attrs["id"];
    if (typeof id === "string") processes.add(id);
  });
  await Promise.allSettled(asking);
}

/** `count`: different processes that have answered. */
export function judgeProcesses(component: string, count: number): Finding {
  if (count === 0) return ok(`${component} does not say which process answers: its version is older`);
  if (count === 1) return ok(`one process answers for ${component}`);
  return failure(
    `${count} processes answer for ${component}, so the iqs and the blocks of a link reach different ones`,
    FIX.balancing,
  );
}

async function askTime(
  connection: Connection,
  whose: string,
  to: string,
  signal: AbortSignal,
): Promise<ClockReading | undefined> {
  const asked = wallNow();
  const iq = xml("iq", { type: "get", to }, xml("time", NS.TIME));
  const answer = await connection.request(iq, { signal, timeoutMs: ANSWER_MS }).catch(() => undefined);
  return readUtc(whose, answer?.getChild("time", NS.TIME)?.getChildText("utc"), asked, wallNow());
}

function middle(times: readonly number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  return Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0);
}
