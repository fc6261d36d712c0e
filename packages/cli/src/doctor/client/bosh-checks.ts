import { randomInt } from "node:crypto";
import { gunzipSync } from "node:zlib";
import { NS, parseServiceUrl, wallNow } from "@stanzapack/xmpp";
import { ok, skipped, warning, type Check, type Finding } from "../base/check.js";
import { FIX } from "../base/remedies.js";
import { requestOnce, type HttpReply } from "../network/http.js";
import type { ClientState } from "./client-state.js";

const DEADLINE_MS = 12_000;
/** What our client asks for, in seconds and requests (XEP-0124 §7). */
const WAIT_SECONDS = 30;
/** Body of an answer below which gzip makes an answer longer, in bytes (`docker/nginx/stanzapack.conf`). */
const SMALL_BYTES = 220;

/** Attributes of the answer that creates a session (XEP-0124 §7.2), in seconds and requests. */
export interface BoshSession {
  readonly wait: number;
  readonly hold: number;
  readonly requests: number;
  readonly inactivity: number;
}

/** An answer as it was sent. */
export interface SentAnswer {
  readonly gzip: boolean;
  /** Bytes of the body, as sent. */
  readonly bytes: number;
}

/** Asks for a session by hand, without a login, and ends it. */
export const BOSH_CHECKS: readonly Check<ClientState>[] = [
  {
    ...{ id: "bosh-timings", side: "client", deadlineMs: DEADLINE_MS, needs: ["bosh"] },
    async run(state, signal) {
      const { text } = await createSession(state, false, signal);
      const session = readSession(text);
      return session === undefined ? skipped("the server opened no session") : judgeSession(session);
    },
  },
  {
    ...{ id: "bosh-gzip", side: "client", deadlineMs: DEADLINE_MS, needs: ["bosh"] },
    async run(state, signal) {
      const { reply, end } = await createSession(state, true, signal);
      return judgeGzip([reply, end].map(toSent));
    },
  },
];

function toSent({ headers, body }: HttpReply): SentAnswer {
  return { gzip: headers["content-encoding"] === "gzip", bytes: body.length };
}

async function createSession(
  state: ClientState,
  gzip: boolean,
  signal: AbortSignal,
): Promise<{ reply: HttpReply; end: HttpReply; text: string }> {
  const { domain, asciiDomain } = state.target;
  const { url } = parseServiceUrl(state.addresses.bosh[0] ?? "");
  const post = (attributes: string): Promise<HttpReply> =>
    requestOnce(
      url,
      {
        method: "POST",
        headers: { "content-type": "text/xml; charset=utf-8", ...(gzip && { "accept-encoding": "gzip" }) },
        body: `<body xmlns='${NS.HTTP_BIND}' rid='${rid++}' ${attributes}/>`,
        ...{ ca: state.ca, domain: asciiDomain },
      },
      signal,
    );
  let rid = randomInt(2 ** 40);
  const asked = wallNow();
  const reply = await post(
    `to='${domain}' ver='1.10' wait='${WAIT_SECONDS}' hold='1' xml:lang='en' ` +
      `xmlns:xmpp='${NS.XBOSH}' xmpp:version='1.0'`,
  );
  const theirs = Date.parse(reply.headers.date ?? "");
  if (!Number.isNaN(theirs)) state.httpDate = { theirs, asked, answered: wallNow() };
  const text = (toSent(reply).gzip ? gunzipSync(reply.body) : reply.body).toString();
  const [, sid = "none"] = /\bsid=['"]([^'"]*)['"]/.exec(text) ?? [];
  const end = await post(`sid='${sid}' type='terminate'`);
  return { reply, end, text };
}

/** Undefined if the text is no answer that creates a session. */
export function readSession(text: string): BoshSession | undefined {
  const [head = ""] = /<body\b[^>]*>/.exec(text) ?? [];
  if (!/\bsid=/.test(head)) return undefined;
  const of = (name: string, otherwise: number): number =>
    Number(new RegExp(`\\b${name}=['"](\\d+)['"]`).exec(head)?.[1] ?? otherwise);
  const hold = of("hold", 1);
  // XEP-0124 §7.2: `requests` is `hold` + 1 unless it is named.
  return {
    wait: of("wait", WAIT_SECONDS),
    hold,
    requests: of("requests", hold + 1),
    inactivity: of("inactivity", 60),
  };
}

/** Smallest `wait` and `inactivity` without a warning, in seconds. Below, an idle session needs many requests. */
const MIN_SECONDS = 15;

export function judgeSession({ wait, hold, requests, inactivity }: BoshSession): Finding {
  const text = `the server grants wait ${wait} s, hold ${hold}, ${requests} requests, inactivity ${inactivity} s`;
  if (hold < 1 || requests < 2) return warning(`${text}: values wait for the next poll`, FIX.boshTimings);
  return wait < MIN_SECONDS || inactivity < MIN_SECONDS ? warning(text, FIX.boshTimings) : ok(text);
}

/** Judges answers to a client that takes gzip. */
export function judgeGzip(answers: readonly SentAnswer[]): Finding {
  const small = answers.find(({ gzip, bytes }) => gzip && bytes < SMALL_BYTES);
  const packed = answers.filter(({ gzip }) => gzip);
  if (packed.length === 0)
    return ok("answers are not compressed; nginx in front can do so (docker/nginx/stanzapack.conf)");
  if (small !== undefined && packed.length === answers.length)
    return warning(
      `even an answer of ${small.bytes} bytes is compressed, which makes it longer`,
      FIX.gzipSmall,
    );
  return ok("long answers are compressed (gzip), and short ones are not");
}
