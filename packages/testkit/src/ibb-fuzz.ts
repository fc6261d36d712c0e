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
import { createFakeConnection, type FakeConnection } from "./fake-connection.js";

/** What a run saw; `findings` is empty when all is well. */
export interface IbbFuzzReport {
  readonly seed: number;
  readonly stanzas: number;
  readonly opened: number;
  readonly blocks: number;
  readonly sent: number;
  /** How often each answer was given: `result`, or a condition. */
  readonly answers: Readonly<Record<string, number>>;
  /** Growth of the heap from the first tenth to the end, in bytes; undefined where the garbage collector cannot be called. */
  readonly heapGrowthBytes: number | undefined;
  readonly findings: readonly string[];
}

const OWN = "c.test";
const PEERS = ["bob@example.test/r", "eve@example.test/r", "bob@example.test/s", "c2.test", "x@y"];
const CONDITIONS = [
  "item-not-found",
  "unexpected-request",
  "bad-request",
  "recipient-unavailable",
  "remote-server-timeout",
  "service-unavailable",
  "resource-constraint",
];
const MAX_BLOCK_BYTES = 4_096;
const MAX_STREAMS = 24;
/** Stanzas of one manager's life; then all that it held must be gone. */
const EPOCH = 2_500;
const MAX_FINDINGS = 10;
const MAX_HEAP_GROWTH_BYTES = 4_000_000;

/** What the receiver of the specification would know of one stream. */
interface Model {
  readonly stream: Bytestream;
  readonly blockSizeBytes: number;
  next: number;
  receivedCount: number;
  /** What must come out next. */
  expected: string | undefined;
}

/**
 * Gives a manager `count` mutated stanzas from several JIDs, in both modes and random order, with writes, closes and answers of our
 * own between them, and checks each answer against what XEP-0047 asks for. The order is the seed's; pauses are real.
 */
export async function fuzzIbb(options: {
  readonly count: number;
  readonly seed: number;
  readonly collectGarbage?: (() => void) | undefined;
}): Promise<IbbFuzzReport> {
  const { count, seed, collectGarbage } = options;
  const findings: string[] = [];
  const answers: Record<string, number> = {};
  const total = { opened: 0, blocks: 0, sent: 0 };
  let state = seed >>> 0 || 1;
  /** xorshift32 */
  const random = (below: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state = (state ^ (state << 5)) >>> 0;
    return state % below;
  };
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
  private readonly models = new Map<string, Model>();
  private readonly used = new Set<string>();
  /** Sids that are used over and over. */
  private readonly sids = ["a", "b", "s.0.0", "x:y", "-"];
  private nextId = 0;
  private about = "";
  private refuse = false;

  constructor(
    private readonly random: (below: number) => number,
    private readonly findings: string[],
    private readonly answers: Record<string, number>,
    private readonly total: { opened: number; blocks: number; sent: number },
  ) {
    this.streams = createInBandBytestreams(this.connection, {
      maxBlockSizeBytes: MAX_BLOCK_BYTES,
      maxStreams: MAX_STREAMS,
      sending: {
        windowBlocks: 1 + random(3),
        maxWaitingBlocks: 8,
        retryMs: 1,
        maxSuspendedMs: 20,
        flushMs: 5,
      },
    });
    this.streams.onOpen = () => {
      if (this.refuse) throw new StanzaError("not-acceptable", "cancel");
    };
    this.streams.onStream = (stream) => this.onStream(stream);
    this.streams.onError = () => undefined;
  }

  private pick<T>(values: readonly T[]): T {
    return values[this.random(values.length)] as T;
  }
  private chance(percent: number): boolean {
    return this.random(100) < percent;
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
      // What follows from an answer has happened before the next stanza is looked at.
      for (let turn = 0; turn < 6; turn++) await Promise.resolve();
      if (i % 25 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (i % 500 === 0) await new Promise((resolve) => setTimeout(resolve, 3));
    }
    await this.finish();
  }

  private step(): void {
    const dice = this.random(100);
    if (this.models.size < 8 && dice < 40) this.receiveOpen();
    else if (dice < 45) this.receiveNext();
    else if (dice < 62) this.receiveAny();
    else if (dice < 72) this.receiveError();
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
    stream.onBlock = (bytes) => {
      this.total.blocks++;
      if (encodeBase64(bytes) !== model.expected) this.fault("a block came out that was not the next one");
      model.expected = undefined;
    };
    stream.onEnd = () => {
      if (!this.models.delete(key)) this.fault(`${key} ended twice`);
    };
  }

  /** As it should be, but for what the owner or the bounds refuse. */
  private receiveOpen(): void {
    this.refuse = this.chance(5);
    const attrs = {
      xmlns: NS.IBB,
      sid: `n${this.nextId}`,
      "block-size": this.pick(["9", "100", "4096"]),
      stanza: this.pick(["iq", "message"]),
    };
    this.give(
      xml(
        "iq",
        { from: this.pick(PEERS), id: `q${this.nextId++}`, to: OWN, type: "set" },
        xml("open", attrs),
      ),
    );
  }

  /** The next block of a stream, as it should be. */
  private receiveNext(): void {
    const known = [...this.models.values()];
    if (known.length === 0) return;
    const { stream, next, blockSizeBytes } = this.pick(known);
    const text = encodeBase64(
      new Uint8Array(this.random(Math.min(blockSizeBytes, 90) + 1)).fill(this.nextId),
    );
    const data = xml(
      "data",
      { xmlns: NS.IBB, sid: stream.sid, seq: String(next) },
      ...(text === "" ? [] : [text]),
    );
    const attrs = { from: stream.peer, to: OWN, id: `q${this.nextId++}` };
    this.give(
      this.chance(50)
        ? xml("message", { ...attrs, type: "headline" }, data)
        : xml("iq", { ...attrs, type: "set" }, data),
    );
  }

  private receiveAny(): void {
    const known = [...this.models.values()];
    const target = known.length > 0 && this.chance(75) ? this.pick(known) : undefined;
    const from = target?.stream.peer ?? this.pick(PEERS);
    const sid = target?.stream.sid ?? (this.chance(50) ? this.pick(this.sids) : `n${this.nextId}`);
    const name = this.pick(["open", "data", "data", "data", "data", "data", "close", "other"] as const);
    const kind = this.pick(["message", "iq", "iq"] as const);
    const model = this.models.get(`${from} ${sid}`);
    const attrs: Record<string, string | undefined> = { xmlns: this.chance(97) ? NS.IBB : "urn:x" };
    if (!this.chance(2)) attrs["sid"] = this.chance(98) ? sid : this.pick(["", "a b", "<", "é"]);
    let content = "";
    if (name === "open") {
      if (!this.chance(4))
        attrs["block-size"] = this.pick([
          "1",
          "9",
          "100",
          "4096",
          "4096",
          "4096",
          "65535",
          "0",
          "-1",
          "65536",
          "NaN",
        ]);
      attrs["stanza"] = this.pick([undefined, "iq", "message", "message", "x"]);
      this.refuse = this.chance(10);
    } else if (name === "data") {
      const next = model?.next ?? 0;
      attrs["seq"] = this.chance(85)
        ? String(next)
        : this.pick([
            undefined,
            "",
            "x",
            "-1",
            "65536",
            "99999999999",
            " 1",
            ...[next - 1, next - 2, next + 1, 65_535].map(String),
          ]);
      content = this.chance(85)
        ? encodeBase64(
            new Uint8Array(this.random(Math.min(model?.blockSizeBytes ?? 9, 60) + 1)).fill(this.nextId),
          )
        : this.pick([
            "*",
            "YQ",
            "YR==",
            "=AAA",
            "YQ==YQ==",
            " YQ==",
            "AAAA".repeat(30),
            "A".repeat(6_000),
            "\u{1f600}",
          ]);
    }
    const child = xml(name, attrs, ...(content === "" ? [] : [content]));
    const type =
      kind === "iq"
        ? this.pick(["set", "set", "set", "set", "set", "set", "get", "error", "result", undefined])
        : this.pick(["headline", "headline", "chat", undefined, "error"]);
    const stanza = xml(
      this.chance(98) ? kind : "presence",
      {
        from: this.chance(97) ? from : undefined,
        id: this.chance(95) ? `q${this.nextId++}` : undefined,
        to: OWN,
        type,
      },
      ...(this.chance(5) ? [xml("delay", { xmlns: NS.DELAY })] : []),
      ...(this.chance(97) ? [child] : []),
    );
    this.give(stanza);
  }

  /** Gives it one stanza; what it says to that is compared with the specification. */
  private give(stanza: Element): void {
    this.about = String(stanza);
    const before = this.connection.sent.length;
    const allowed = this.allowedAnswers(stanza);
    const { from, id } = stanza.attrs as Record<string, string | undefined>;
    this.connection.receive(stanza);
    const said = this.connection.sent
      .slice(before)
      .filter((it): it is Element => typeof it !== "string")
      .filter(({ attrs }) => attrs["type"] === "result" || attrs["type"] === "error");
    if (said.length > 1) this.fault(`answered ${said.length} times`);
    const [answer] = said;
    if (answer !== undefined) {
      if (answer.attrs["to"] !== from || answer.attrs["id"] !== id || answer.name !== stanza.name)
        this.fault(`answered the wrong party or question: ${String(answer)}`);
    }
    const what =
      answer === undefined
        ? "nothing"
        : answer.attrs["type"] === "result"
          ? "result"
          : String((answer.getChild("error")?.children[0] as Element | undefined)?.name);
    this.answers[what] = (this.answers[what] ?? 0) + 1;
    if (!allowed.includes(what)) this.fault(`answered ${what} where ${allowed.join(" or ")} was due`);
  }

  /** What XEP-0047 allows as the answer: where a stanza is wrong in several ways, any of them. */
  private allowedAnswers(stanza: Element): string[] {
    const { from, id, type } = stanza.attrs as Record<string, string | undefined>;
    const child = stanza.children.find(
      (it): it is Element => typeof it === "object" && it.getNS() === NS.IBB,
    );
    if (stanza.name === "presence" || type === "error" || child === undefined || from === undefined)
      return ["nothing"];
    const key = `${from} ${child.attrs["sid"]}`;
    const model = this.models.get(key);
    if (stanza.name === "message") {
      if (child.name !== "data") return ["nothing"];
      if (model === undefined)
        return this.isClosing(from, String(child.attrs["sid"])) ? ["nothing"] : ["item-not-found"];
      return this.allowedForData(model, child).flatMap((it) =>
        it === "result" || it === "gap" ? ["nothing"] : [it],
      );
    }
    if (type !== "set" || id === undefined) return ["nothing"];
    switch (child.name) {
      case "open":
        return this.allowedForOpen(key, child);
      case "close":
        // Where something waits, the answer comes after it.
        return model === undefined ? ["item-not-found"] : ["result", "nothing"];
      case "data":
        if (model === undefined) return ["item-not-found"];
        return this.allowedForData(model, child).map((it) => (it === "gap" ? "unexpected-request" : it));
    }
    return ["nothing"];
  }

  private allowedForOpen(key: string, open: Element): string[] {
    const attrs = open.attrs as Record<string, string | undefined>;
    const size = /^\d{1,5}$/.test(attrs["block-size"] ?? "") ? Number(attrs["block-size"]) : 0;
    const wrong: string[] = [];
    if (size < 1 || size > 65_535) wrong.push("bad-request");
    if (!/^[\w.:-]+$/.test(attrs["sid"] ?? "")) wrong.push("bad-request");
    if (!["iq", "message", undefined].includes(attrs["stanza"])) wrong.push("bad-request");
    if (size > MAX_BLOCK_BYTES || this.models.size >= MAX_STREAMS) wrong.push("resource-constraint");
    if (this.used.has(key) || this.refuse) wrong.push("not-acceptable");
    if (wrong.length > 0) return wrong;
    this.used.add(key);
    return ["result"];
  }

  private allowedForData(model: Model, data: Element): string[] {
    const seqText = data.attrs["seq"] as string | undefined;
    const seq = /^\d{1,5}$/.test(seqText ?? "") && Number(seqText) < 65_536 ? Number(seqText) : undefined;
    if (seq === undefined) return ["bad-request"];
    if (seq !== model.next) {
      const behind = (model.next - seq + 65_536) % 65_536;
      return behind <= Math.min(model.receivedCount, 32_768) ? ["unexpected-request"] : ["gap"];
    }
    const text = data.text();
    const bytes = Buffer.from(text, "base64");
    const wrong: string[] = [];
    // What comes back as it was is exactly RFC 4648 §4.
    if (bytes.toString("base64") !== text) wrong.push("bad-request");
    if (bytes.length > model.blockSizeBytes || (text.length / 4) * 3 - 2 > model.blockSizeBytes)
      wrong.push("resource-constraint");
    if (wrong.length > 0) return wrong;
    model.expected = text;
    model.next = (model.next + 1) % 65_536;
    model.receivedCount++;
    return ["result"];
  }

  private isClosing(peer: string, sid: string): boolean {
    for (const { iq } of this.connection.pending)
      if (iq.attrs["to"] === peer && iq.getChild("close")?.attrs["sid"] === sid) return true;
    return false;
  }

  /** Errors are about what we sent, or about nothing; nobody is to be answered, and only their own stream may end. */
  private receiveError(): void {
    const known = [...this.models.values()];
    const target = known.length > 0 && this.chance(70) ? this.pick(known).stream : undefined;
    const from = this.chance(85) && target !== undefined ? target.peer : this.pick(PEERS);
    const sid = target?.sid ?? this.pick(this.sids);
    const seq = this.random(12);
    const error = xml(
      "error",
      { type: this.pick(["cancel", "wait", "wait", "modify", "nonsense"]) },
      xml(this.pick(CONDITIONS), NS_STANZAS),
    );
    const stanza = xml(
      this.pick(["message", "message", "message", "iq"]),
      {
        type: "error",
        from,
        to: OWN,
        id: this.pick([undefined, `${sid}.0.${seq}`, `${sid}.1.${seq}`, "own3", "..", `${sid}.`]),
      },
      ...(this.chance(50)
        ? [xml("data", { xmlns: NS.IBB, sid, seq: this.pick([undefined, String(seq)]) })]
        : []),
      ...(this.chance(90) ? [error] : []),
    );
    const others = known.filter(({ stream }) => stream.peer !== from);
    this.give(stanza);
    for (const { stream } of others)
      if (stream.state === "closed") this.fault(`an error of ${from} ended the stream of ${stream.peer}`);
  }

  private answerOwn(): void {
    const all = [...this.connection.pending];
    if (all.length === 0) return;
    const request = this.pick(all);
    this.about = `the answer to ${String(request.iq)}`;
    const dice = this.random(100);
    if (dice < 70) request.resolve(xml("iq", { type: "result" }));
    else if (dice < 97) request.reject(new StanzaError(this.pick(CONDITIONS), this.pick(["cancel", "wait"])));
    else request.reject(new XmppError(this.pick(["timeout", "disconnected"]), "for the test"));
  }

  private actLocally(): void {
    const known = [...this.models.values()];
    if (known.length === 0) return;
    const { stream } = this.pick(known);
    this.about = `our own ${stream.sid}`;
    const dice = this.random(100);
    if (dice < 90) {
      if (stream.write(encodeBase64(new Uint8Array(this.random(Math.min(stream.blockSizeBytes, 40) + 1)))))
        this.total.sent++;
    } else if (dice < 96) void stream.close();
    else stream.abandon({ by: "local" });
  }

  /** Whatever is sent goes to somebody who has, or had, a stream, or asked for one. */
  private checkSent(): void {
    for (const it of this.connection.sent.splice(0)) {
      const to =
        typeof it === "string" ? /to='([^']*)'/.exec(it)?.[1] : (it.attrs["to"] as string | undefined);
      if (!PEERS.includes(String(to))) this.fault(`sent to ${to}: ${String(it)}`);
    }
    const { open } = this.streams.counts();
    if (open !== this.models.size) this.fault(`${open} streams are held, ${this.models.size} are open`);
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
      this.fault("a handler is left");
  }
}

const NS_STANZAS = { xmlns: NS.STANZA_ERRORS };
