import {
  createInBandBytestreams,
  encodeBase64,
  NS,
  StanzaError,
  xml,
  XmppError,
  type Bytestream,
  type Element,
  type InBandBytestreams,
} from "@stanzapack/xmpp";
import { createFakeConnection, type FakeConnection } from "../base/fake-connection.js";
import { IbbOracle, MAX_BLOCK_BYTES, MAX_STREAMS, type Model } from "./ibb-fuzz-oracle.js";
import { isLean, makeLean } from "./ibb-fuzz-lean.js";
import { CONDITIONS, IbbStanzas, OWN, PEERS } from "./ibb-fuzz-stanzas.js";
import { createRandom, type Random } from "../base/random.js";

/** Results of a run. `findings` is empty if the manager made no mistake. */
export interface IbbFuzzReport {
  readonly seed: number;
  readonly stanzas: number;
  readonly opened: number;
  readonly blocks: number;
  readonly sent: number;
  /** Number of lean stanzas given to the manager. */
  readonly lean: number;
  /** Number of each answer: `result`, or a condition. */
  readonly answers: Readonly<Record<string, number>>;
  /**
   * Growth of the heap from the first tenth to the end, in bytes. Undefined if the garbage collector cannot be called.
   */
  readonly heapGrowthBytes: number | undefined;
  readonly findings: readonly string[];
}

/** Stanzas of one manager's life. After them, everything that the manager held must be gone. */
const EPOCH = 2_500;
const MAX_FINDINGS = 10;
const MAX_HEAP_GROWTH_BYTES = 4_000_000;

/**
 * Gives a manager `count` mutated stanzas from several JIDs, in both modes and in random order, mixed with writes,
 * closes and answers of our own. Compares each answer with XEP-0047. The seed decides the order; pauses are real time.
 */
export async function fuzzIbb(options: {
  readonly count: number;
  readonly seed: number;
  readonly collectGarbage?: (() => void) | undefined;
  readonly onProgress?: ((done: number) => void) | undefined;
}): Promise<IbbFuzzReport> {
  const { count, seed, collectGarbage } = options;
  const findings: string[] = [];
  const answers: Record<string, number> = {};
  const total = { opened: 0, blocks: 0, sent: 0, lean: 0 };
  const random = createRandom(seed);
  const heapBytes = (): number => {
    collectGarbage?.();
    return process.memoryUsage().heapUsed;
  };
  let heapAtFirst: number | undefined;
  let done = 0;
  while (done < count && findings.length < MAX_FINDINGS) {
    const epoch = new Epoch(random, findings, answers, total);
    const length = Math.min(EPOCH, count - done);
    await epoch.run(length);
    done += length;
    options.onProgress?.(done);
    if (heapAtFirst === undefined && done >= count / 10) heapAtFirst = heapBytes();
  }
  const heapGrowthBytes = collectGarbage && heapBytes() - (heapAtFirst as number);
  if (heapGrowthBytes !== undefined && heapGrowthBytes > MAX_HEAP_GROWTH_BYTES)
    findings.push(`the heap grew by ${heapGrowthBytes} bytes`);
  return { seed, stanzas: done, ...total, answers, heapGrowthBytes, findings };
}

/** One manager's life. */
class Epoch {
  private readonly connection: FakeConnection = createFakeConnection("component", OWN);
  private readonly streams: InBandBytestreams;
  private readonly oracle = new IbbOracle(this.connection);
  private readonly models = this.oracle.models;
  private readonly stanzas: IbbStanzas;
  private about = "";

  constructor(
    private readonly random: Random,
    private readonly findings: string[],
    private readonly answers: Record<string, number>,
    private readonly total: { opened: number; blocks: number; sent: number; lean: number },
  ) {
    this.stanzas = new IbbStanzas(random, this.models);
    this.streams = createInBandBytestreams(this.connection, {
      maxBlockSizeBytes: MAX_BLOCK_BYTES,
      maxStreams: MAX_STREAMS,
      sending: {
        windowBlocks: 1 + random.below(3),
        maxWaitingBlocks: 8,
        retryMs: 1,
        maxSuspendedMs: 20,
        flushMs: 5,
      },
    });
    this.streams.onOpen = () => {
      if (this.oracle.refuse) throw new StanzaError("not-acceptable", "cancel");
    };
    this.streams.onStream = (stream) => this.onStream(stream);
    this.streams.onError = () => undefined;
  }

  private fault(text: string): void {
    if (this.findings.length < MAX_FINDINGS) this.findings.push(`${text} (about ${this.about})`);
  }

  async run(length: number): Promise<void> {
    for (let i = 0; i < length; i++) {
      try {
        this.step();
      } catch (error) {
        this.fault(`threw ${(error as Error).stack ?? String(error)}`);
      }
      // The consequences of an answer must happen before the next stanza is given.
      for (let turn = 0; turn < 6; turn++) await Promise.resolve();
      if (i % 25 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (i % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 3));
    }
    await this.finish();
  }

  private step(): void {
    const dice = this.random.below(100);
    if (this.models.size < 8 && dice < 40) {
      this.oracle.refuse = this.random.chance(5);
      this.give(this.stanzas.open());
    } else if (dice < 45) {
      const stanza = this.stanzas.next();
      if (stanza !== undefined) this.give(stanza);
    } else if (dice < 54) {
      const stanza = makeLean(this.random, this.models.values(), OWN);
      if (stanza !== undefined) {
        this.total.lean++;
        this.give(stanza);
      }
    } else if (dice < 66) {
      this.oracle.refuse = this.random.chance(10);
      this.give(this.stanzas.any());
    } else if (dice < 75) this.receiveError();
    else if (dice < 86) this.answerOwn();
    else this.actLocally();
    this.checkSent();
  }

  private onStream(stream: Bytestream): void {
    const key = `${stream.peer} ${stream.sid}`;
    if (this.models.has(key)) this.fault(`${key} was opened twice`);
    const model: Model = {
      stream,
      blockSizeBytes: stream.blockSizeBytes,
      next: 0,
      receivedCount: 0,
      expected: undefined,
    };
    this.models.set(key, model);
    this.total.opened++;
    if (this.random.chance(70)) stream.takeTag();
    stream.onBlock = (bytes) => {
      this.total.blocks++;
      if (encodeBase64(bytes) !== model.expected) this.fault("the stream delivered a wrong block");
      model.expected = undefined;
    };
    stream.onEnd = () => {
      if (!this.models.delete(key)) this.fault(`${key} ended twice`);
    };
  }

  /** Gives the manager one stanza, and compares its answer with the specification. */
  private give(stanza: Element): void {
    this.about = String(stanza);
    const before = this.connection.sent.length;
    const allowed = this.oracle.allowedAnswers(stanza);
    const { from, id } = stanza.attrs as Record<string, string | undefined>;
    this.connection.receive(stanza);
    const said = this.connection.sent
      .slice(before)
      .filter((it): it is Element => typeof it !== "string")
      .filter(({ attrs }) => attrs["type"] === "result" || attrs["type"] === "error");
    if (said.length > 1) this.fault(`the manager answered ${said.length} times`);
    const [answer] = said;
    if (answer !== undefined) {
      // A finding does not repeat an id with characters outside the alphabet.
      const named = isLean(stanza) && !/^[A-Za-z0-9+/]{1,1024}$/.test(id ?? "") ? undefined : id;
      if (answer.attrs["to"] !== from || answer.attrs["id"] !== named || answer.name !== stanza.name)
        this.fault(`the manager answered the wrong JID or request: ${String(answer)}`);
    }
    const what =
      answer === undefined
        ? "nothing"
        : answer.attrs["type"] === "result"
          ? "result"
          : String((answer.getChild("error")?.children[0] as Element | undefined)?.name);
    this.answers[what] = (this.answers[what] ?? 0) + 1;
    if (!allowed.includes(what)) this.fault(`the answer is ${what}, not ${allowed.join(" or ")}`);
  }

  /**
   * Gives an error about a stanza that we sent, or about nothing. Nobody may answer it, and only its own stream may
   * end.
   */
  private receiveError(): void {
    const stanza = this.stanzas.error();
    const from = stanza.attrs["from"] as string;
    const others = [...this.models.values()].filter(({ stream }) => stream.peer !== from);
    this.give(stanza);
    for (const { stream } of others)
      if (stream.state === "closed") this.fault(`an error of ${from} ended the stream of ${stream.peer}`);
  }

  private answerOwn(): void {
    const all = [...this.connection.pending];
    if (all.length === 0) return;
    const request = this.random.pick(all);
    this.about = `the answer to ${String(request.iq)}`;
    const dice = this.random.below(100);
    if (dice < 70) request.resolve(xml("iq", { type: "result" }));
    else if (dice < 97)
      request.reject(new StanzaError(this.random.pick(CONDITIONS), this.random.pick(["cancel", "wait"])));
    else request.reject(new XmppError(this.random.pick(["timeout", "disconnected"]), "for the test"));
  }

  private actLocally(): void {
    const known = [...this.models.values()];
    if (known.length === 0) return;
    const { stream } = this.random.pick(known);
    this.about = `our own ${stream.sid}`;
    const dice = this.random.below(100);
    if (dice < 90) {
      if (
        stream.write(encodeBase64(new Uint8Array(this.random.below(Math.min(stream.blockSizeBytes, 40) + 1))))
      )
        this.total.sent++;
    } else if (dice < 96) void stream.close();
    else stream.abandon({ by: "local" });
  }

  /** Every stanza that is sent must be to a JID that has or had a stream, or asked for one. */
  private checkSent(): void {
    for (const it of this.connection.sent.splice(0)) {
      const to =
        typeof it === "string" ? /to='([^']*)'/.exec(it)?.[1] : (it.attrs["to"] as string | undefined);
      if (!PEERS.includes(String(to))) this.fault(`sent to ${to}: ${String(it)}`);
    }
    const { open } = this.streams.counts();
    if (open !== this.models.size) this.fault(`the manager has ${open} streams, not ${this.models.size}`);
    if (open > MAX_STREAMS) this.fault(`${open} streams are open`);
  }

  private async finish(): Promise<void> {
    this.about = "the end";
    this.streams.dispose();
    for (const request of [...this.connection.pending]) request.reject(new XmppError("stopped", "the end"));
    await new Promise((resolve) => setTimeout(resolve, 1));
    const { open, closing } = this.streams.counts();
    if (open + closing + this.models.size > 0) this.fault(`left over: ${open} open, ${closing} closing`);
    if (
      this.connection.receive(xml("message", { from: "bob@example.test/r" }, xml("data", { xmlns: NS.IBB })))
    )
      this.fault("a handler is still registered");
  }
}
