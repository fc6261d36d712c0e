import { createClientConnection, NS, XmppError, type Connection } from "@stanzapack/xmpp";
import {
  makeAnswer,
  makeFault,
  NUMBERS,
  strayAttributes,
  type FuzzAnswer,
  type SessionFacts,
} from "./bosh-fuzz-bodies.js";
import { startFuzzServer, type FuzzRequest, type FuzzServer } from "./bosh-fuzz-server.js";
import { createRandom, type Random } from "../base/random.js";

/** Results of a run. `findings` is empty if the client made no mistake. */
export interface BoshFuzzReport {
  readonly seed: number;
  /** Number of answers, with those of logins. */
  readonly bodies: number;
  readonly sessions: number;
  readonly online: number;
  /** Number of stanzas that the client had to deliver, and delivered. */
  readonly delivered: number;
  /** Number of the clients' stanzas that arrived, each once and in order. */
  readonly sent: number;
  readonly resent: number;
  /** Number of sessions by the way in which they ended. */
  readonly ends: Readonly<Record<string, number>>;
  /**
   * Growth of the heap from the first tenth to the end, in bytes. Undefined if the garbage collector cannot be called.
   */
  readonly heapGrowthBytes: number | undefined;
  readonly findings: readonly string[];
}

export interface BoshFuzzOptions {
  readonly count: number;
  readonly seed: number;
  readonly collectGarbage?: (() => void) | undefined;
  readonly onProgress?: ((done: number) => void) | undefined;
}

const MAX_FINDINGS = 10;
const MAX_HEAP_GROWTH_BYTES = 4_000_000;
/** Longest wait for an expected event, in ms, even on a busy machine. */
const DUE_MS = 10_000;
/** Silence after which the fuzzer makes the client send something, in ms. */
const IDLE_MS = 15;
/** Most answers of one session. Then the fuzzer ends it. */
const MAX_SESSION_BODIES = 60;
/** XEP-0124 §11: largest number of open requests. The client never has more open, even if it may. */
const MAX_WINDOW = 8;

const features = (content: string): string => `<stream:features>${content}</stream:features>`;
/** Answers to a login, in order. A client with nothing to send meanwhile polls, and receives an empty answer. */
const LOGIN = [
  {
    when: / to='example\.test'/,
    answer: features(`<mechanisms xmlns='${NS.SASL}'><mechanism>PLAIN</mechanism></mechanisms>`),
  },
  { when: /<auth /, answer: `<success xmlns='${NS.SASL}'/>` },
  { when: /xmpp:restart='true'/, answer: features(`<bind xmlns='${NS.BIND}'/>`) },
  {
    when: /<bind /,
    answer: `<iq xmlns='jabber:client' type='result' id='bind'><bind xmlns='${NS.BIND}'><jid>bob@example.test/r</jid></bind></iq>`,
  },
] as const;

/**
 * Gives `count` correct, mutated and hostile answers to real clients over HTTP on loopback, session after session.
 * Compares the effect of each answer with XEP-0124 and XEP-0206. The seed decides what is sent; the machine decides
 * when.
 */
export async function fuzzBosh(options: BoshFuzzOptions): Promise<BoshFuzzReport> {
  const { count, seed, collectGarbage, onProgress } = options;
  const random = createRandom(seed);
  const findings: string[] = [];
  const total = { bodies: 0, sessions: 0, online: 0, delivered: 0, sent: 0 };
  const ends: Record<string, number> = {};
  const onUncaught = (error: unknown): void => {
    findings.push(`uncaught error: ${error instanceof Error ? String(error.stack) : String(error)}`);
  };
  process.on("uncaughtException", onUncaught).on("unhandledRejection", onUncaught);
  const server = await startFuzzServer();
  const resources = (): number =>
    process.getActiveResourcesInfo().filter((name) => /TCP|Timeout|Immediate/.test(name)).length;
  const before = resources();
  const heapBytes = (): number => {
    collectGarbage?.();
    return process.memoryUsage().heapUsed;
  };
  let heapAtFirst: number | undefined;
  try {
    while (total.bodies < count && findings.length < MAX_FINDINGS) {
      const session = new FuzzSession(server, random, findings, total);
      const end = await session.run(Math.min(MAX_SESSION_BODIES, count - total.bodies));
      ends[end] = (ends[end] ?? 0) + 1;
      total.sessions++;
      server.reset();
      if (!(await happens(() => resources() <= before)))
        findings.push(`session ${total.sessions} left ${resources() - before} sockets or timers`);
      if (heapAtFirst === undefined && total.bodies >= count / 10) heapAtFirst = heapBytes();
      onProgress?.(total.bodies);
    }
  } finally {
    await server.close();
    process.off("uncaughtException", onUncaught).off("unhandledRejection", onUncaught);
  }
  const heapGrowthBytes = collectGarbage && heapBytes() - (heapAtFirst ?? 0);
  if (heapGrowthBytes !== undefined && heapGrowthBytes > MAX_HEAP_GROWTH_BYTES)
    findings.push(`the heap grew by ${heapGrowthBytes} bytes`);
  return { seed, ...total, resent: server.resentCount, ends, heapGrowthBytes, findings };
}

/** Whether the condition comes true within this time. */
async function happens(condition: () => boolean, withinMs = DUE_MS): Promise<boolean> {
  const end = performance.now() + withinMs;
  for (;;) {
    if (condition()) return true;
    if (performance.now() > end) return false;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** One client, from its first request to the end of its session. */
class FuzzSession {
  private readonly connection: Connection;
  private readonly delivered: string[] = [];
  private readonly expected: string[] = [];
  /** Answers that do not count yet, by request. */
  private readonly early = new Map<number, FuzzAnswer>();
  /** The oldest request without an answer that counts. */
  private turn: number | undefined;
  private reason: XmppError | undefined;
  private end: string | undefined;
  private isOnline = false;
  private begun = false;
  private patient = true;
  private loginStep = 0;
  private sentCount = 0;
  private about = "";

  constructor(
    private readonly server: FuzzServer,
    private readonly random: Random,
    private readonly findings: string[],
    private readonly total: { bodies: number; online: number; delivered: number; sent: number },
  ) {
    this.connection = createClientConnection({
      jid: "bob@example.test",
      password: "p",
      url: server.url,
      resource: "r",
      timeouts: { onlineMs: 60_000, closeMs: 0 },
      // No retry happens: the fuzzer stops the client earlier.
      reconnect: { minMs: 60_000, maxMs: 60_000 },
      bosh: { answerMs: 60_000, overtakenMs: 40, retryMinMs: 1, retryMaxMs: 4, giveUpMs: 60_000 },
    });
    this.connection.onStanza((stanza) => {
      if (stanza.name !== "message") return false;
      this.delivered.push(stanza.getChildText("body") ?? "");
      return true;
    });
    this.connection.on("offline", ({ reason }) => (this.reason ??= reason));
  }

  private fault(text: string): void {
    if (this.findings.length < MAX_FINDINGS) this.findings.push(`${text} (about ${this.about})`);
  }

  /** Resolves with the way in which the session ended. */
  async run(maxBodies: number): Promise<string> {
    void this.connection.start().then(
      () => {
        this.isOnline = true;
        this.total.online++;
      },
      (error: XmppError) => (this.reason ??= error),
    );
    for (let i = 0; i < maxBodies && this.end === undefined && this.findings.length < MAX_FINDINGS; i++) {
      const request = await this.nextRequest();
      if (request === undefined) break;
      this.turn ??= request.rid;
      await this.give(request, this.isOnline ? this.makeAnswer() : this.makeLoginAnswer(request));
      this.total.bodies++;
      for (const complaint of this.server.complaints.splice(0)) this.fault(complaint);
    }
    await this.checkDelivered();
    this.checkSent();
    const { end = "stopped" } = this;
    await this.connection.stop();
    return end;
  }

  /** One of the open requests. If there is none, makes the client send something. */
  private async nextRequest(): Promise<FuzzRequest | undefined> {
    const { waiting } = this.server;
    const isThere = (): boolean => waiting.length > 0 || this.reason !== undefined;
    if (!(await happens(isThere, IDLE_MS)) || (this.isOnline && this.random.chance(12))) this.say();
    if (!(await happens(isThere))) {
      this.fault("the client sends no more requests");
      return undefined;
    }
    if (this.reason !== undefined) {
      this.fault(`the session ended without a reason: ${this.reason.message}`);
      return undefined;
    }
    // Mostly the oldest request. The answer to another request must wait until its turn.
    return this.isOnline && this.random.chance(20) ? this.random.pick(waiting) : waiting[0];
  }

  private say(): void {
    if (!this.isOnline) return;
    this.connection.send(`<message><body>own${this.sentCount++}</body></message>`);
  }

  private get facts(): SessionFacts {
    return { begun: this.begun, patient: this.patient };
  }

  private makeAnswer(): FuzzAnswer {
    return makeAnswer(
      this.random,
      this.facts,
      () => `${this.total.delivered + this.expected.length}.${this.random.below(1e6)}`,
    );
  }

  /** The expected answer of a login, and sometimes another answer. */
  private makeLoginAnswer({ body }: FuzzRequest): FuzzAnswer {
    const step = LOGIN[this.loginStep];
    const isDue = step?.when.test(body) === true;
    const answer = isDue ? step.answer : "";
    const terms = this.begun ? strayAttributes(this.random) : this.makeTerms();
    const good = `<body xmlns='${NS.HTTP_BIND}' xmlns:stream='${NS.STREAM}'${typeof terms === "string" ? terms : terms.text}>${answer}</body>`;
    if (this.random.chance(4)) return makeFault(this.random, this.facts, good);
    const taken = {
      status: 200,
      body: Buffer.from(good),
      cut: false,
      verdict: { kind: "taken", texts: [] },
    } as const;
    if (typeof terms !== "string") {
      if (!terms.hasSid) return { ...taken, verdict: { kind: "taken", texts: [], end: "protocol" } };
      this.begun = true;
      this.patient = terms.patient;
      this.server.window = terms.window;
    }
    if (isDue) this.loginStep++;
    return taken;
  }

  /** The session's terms, with random numbers. */
  private makeTerms(): { text: string; hasSid: boolean; patient: boolean; window: number } {
    const { random } = this;
    const terms: Record<string, string | undefined> = {
      sid: random.chance(97)
        ? random.pick(["s", "&lt;", "x".repeat(500), "\u{1f600}"])
        : random.pick([undefined, ""]),
    };
    for (const name of [
      "wait",
      "requests",
      "inactivity",
      "polling",
      "hold",
      "maxpause",
      "ack",
      "time",
      "report",
      "ver",
    ])
      terms[name] = random.chance(50) ? random.pick(NUMBERS) : random.pick(["2", "30", undefined]);
    const text = Object.entries(terms)
      .map(([name, value]) => (value === undefined ? "" : ` ${name}='${value}'`))
      .join("");
    const count = (value: string | undefined): number | undefined =>
      value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
    return {
      text,
      hasSid: terms["sid"] !== undefined && terms["sid"] !== "",
      patient: count(terms["inactivity"]) !== 0,
      window: Math.min(MAX_WINDOW, Math.max(1, count(terms["requests"]) ?? 2)),
    };
  }

  private async give(request: FuzzRequest, answer: FuzzAnswer): Promise<void> {
    const { verdict, body } = answer;
    this.about = `${answer.cut ? "a cut" : answer.status} ${body.toString().slice(0, 400)} to request ${request.rid}, expected ${JSON.stringify(verdict)}`;
    const { response } = request;
    this.server.answer(request, answer, verdict.kind !== "again");
    switch (verdict.kind) {
      case "again": {
        const again = (): boolean => request.response !== response || this.reason !== undefined;
        if (!(await happens(again))) this.fault("the client did not repeat the request");
        return;
      }
      case "refused":
        this.end = verdict.code;
        break;
      case "taken":
        this.early.set(request.rid, answer);
        this.takeTurns();
    }
    if (this.end === undefined) {
      await this.checkDelivered();
      return;
    }
    this.server.dismiss();
    if (!(await happens(() => this.reason !== undefined))) this.fault("the session did not end");
    else if (!(this.reason instanceof XmppError) || this.reason.code !== this.end)
      this.fault(`the session ended as ${String((this.reason as XmppError).code)}: ${String(this.reason)}`);
  }

  /** Answers count in the order of their requests (XEP-0124 §14.2). */
  private takeTurns(): void {
    while (this.turn !== undefined && this.end === undefined) {
      const verdict = this.early.get(this.turn)?.verdict;
      if (verdict?.kind !== "taken") return;
      this.early.delete(this.turn++);
      this.expected.push(...verdict.texts);
      this.end = verdict.end;
    }
  }

  private async checkDelivered(): Promise<void> {
    const { delivered, expected } = this;
    await happens(() => delivered.length >= expected.length || this.findings.length > 0);
    if (delivered.length !== expected.length || delivered.some((text, i) => text !== expected[i]))
      this.fault(`delivered ${delivered.join()} instead of ${expected.join()}`);
    this.total.delivered += delivered.length;
    delivered.length = expected.length = 0;
  }

  private checkSent(): void {
    const arrived = [...this.server.heard.matchAll(/<body>own(\d+)<\/body>/g)].map(([, number]) =>
      Number(number),
    );
    if (arrived.some((number, i) => number !== i)) this.fault(`the server received ${arrived.join()}`);
    this.total.sent += arrived.length;
  }
}
