import { setTimeout as delay } from "node:timers/promises";
import { decodeBlock, DEFAULT_LIMITS, encodeFrame, type RefusedFrame } from "@stanzapack/wire";
import {
  bareJid,
  createClientConnection,
  decodeBase64,
  encodeBase64,
  formatStanzaError,
  NS,
  StanzaError,
  xml,
  XmppError,
  type ClientConnectionOptions,
  type Connection,
  type Element,
} from "@stanzapack/xmpp";
import { FuzzBlocks, HELLO } from "./component-fuzz-blocks.js";
import { framesOf, leanId, oddLeanId, PROBE_CHARS, probeId } from "./component-fuzz-lean.js";
import { FuzzNames, type FuzzPlace } from "./component-fuzz-names.js";
import { FuzzRequests } from "./component-fuzz-requests.js";
import { createRandom, type Random } from "../base/random.js";

/** What the attackers saw, all together. */
export interface Tally {
  stanzas: number;
  /** Links opened. */
  opened: number;
  /** How often each answer came: `result`, a stanza error's condition, or how a link ended. */
  readonly answers: Record<string, number>;
  /** Streams of attackers that ended by themselves, by the reason. */
  readonly streamsLost: Record<string, number>;
  readonly findings: string[];
}

/** An iq must be answered within this on any machine, in ms. */
const ANSWER_MS = 60_000;
/** As many resume tokens are tried again. */
const TOKENS = 4;
/** By frames of its first link: a service of the bystanders, one that nobody offers, and a session that nobody had. */
const QUESTIONS = 3;
/** A component names its tag within this of an open, in ms. */
const TAG_MS = 5_000;
const WORD = "abcdefghijklmnopqrstuvwxyz0123456789";

export interface AttackerOptions {
  readonly login: ClientConnectionOptions;
  readonly component: string;
  readonly bystander: string;
  readonly seed: number;
  readonly tally: Tally;
}

/**
 * One session that opens link after link and misbehaves on each. What it sends is the seed's, whatever is answered, but for tokens that
 * it was given; when it sends depends on the server.
 */
export class Attacker {
  private life = 0;
  /** Of its last links. */
  private readonly tokens: Uint8Array[] = [];
  private connection: Connection | undefined;
  /** Of the link of this life: what lean stanzas begin with, once the component has named it. */
  private tag: number | undefined;
  /** Requests by frame that were answered. */
  private readonly answered = new Set<number>();

  constructor(private readonly options: AttackerOptions) {}

  /** Logs in, sends so many fuzzed stanzas, logs out. */
  async run(count: number, signal: AbortSignal): Promise<void> {
    const { tally } = this.options;
    const connection = createClientConnection(this.options.login);
    this.connection = connection;
    connection.onStanza((stanza) => this.onStanza(stanza));
    connection.on("online", () => connection.sendElement(xml("presence", { to: this.options.component })));
    let leaving = false;
    connection.on("offline", ({ reason }) => {
      const why = reason?.message ?? "";
      if (!leaving) tally.streamsLost[why] = (tally.streamsLost[why] ?? 0) + 1;
    });
    await connection.start({ signal });
    for (let sent = 0; sent < count && !signal.aborted;) sent += await this.live(count - sent, signal);
    leaving = true;
    await connection.stop();
  }

  /** One link's life; gives how many fuzzed stanzas it had. */
  private async live(most: number, signal: AbortSignal): Promise<number> {
    const { tally, component, bystander, seed } = this.options;
    const connection = this.connection as Connection;
    const random = createRandom(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(++this.life, 0x85ebca6b));
    const sid = Array.from({ length: 8 }, () => WORD[random.below(WORD.length)]).join("");
    const place: FuzzPlace = {
      component,
      bystander,
      sid,
      jid: connection.jid,
      bare: bareJid(connection.jid),
    };
    const names = new FuzzNames(random, place);
    const blocks = new FuzzBlocks(names, this.tokens);
    const requests = new FuzzRequests(names);
    this.tag = undefined;
    await this.open(sid, signal);
    const answers: Promise<void>[] = [];
    let seq = 0;
    const tag = random.chance(60) ? await this.untilTagged(signal) : undefined;
    const isFirst = this.life === 1;
    if (isFirst || random.chance(97))
      this.sendBlock(sid, seq++, encodeFrame(tag === undefined ? HELLO : { ...HELLO, lean: { tag: null } }));
    if (tag !== undefined && random.chance(90)) {
      this.sendLean(probeId(tag));
      // The component's own leaves as soon as it has read HELLO.
      this.sendBlock(sid, seq++, encodeFrame({ type: "envelope", word: "confirm", value: PROBE_CHARS }));
    }
    if (isFirst) {
      this.sendBlock(sid, seq++, this.questions());
      await this.untilAnswered(signal);
    }
    /** By either kind of stanza. */
    const send = (block: Uint8Array, label?: number): void => {
      const id = tag === undefined || random.chance(40) ? undefined : leanId(tag, label, seq, block);
      if (id !== undefined) this.sendLean(id);
      else if (label === undefined) this.sendBlock(sid, seq, block);
      else return;
      seq++;
    };
    for (let n = random.below(4); n > 0; n--) answers.push(this.ask(requests.right()));
    const items = Math.min(most, 4 + random.below(14));
    for (let i = 0; i < items; i++) {
      const dice = random.below(100);
      if (dice < 50) answers.push(this.ask(requests.any()));
      else if (dice < 65) send(blocks.requests());
      else if (dice < 79) send(blocks.right(random.below(4)));
      else if (dice < 82) send(blocks.payload(), random.below(random.pick([4, 300])));
      else if (dice < 92) send(blocks.any(random.below(4)));
      else if (dice < 95 && tag !== undefined)
        this.sendLean(oddLeanId(random, tag, seq, blocks.right(random.below(4))));
      else this.sendOdd(random, sid, seq, blocks, tag);
      tally.stanzas++;
    }
    // What was asked by frame has its answers by then.
    if (random.chance(50)) await Promise.all(answers);
    const end = random.below(100);
    if (end < 70)
      answers.push(this.ask(xml("iq", { type: "set", to: component }, xml("close", { xmlns: NS.IBB, sid }))));
    else if (end < 85) send(encodeFrame({ type: "bye", code: "stopped", text: "" }));
    // Else it is left open: the next one takes its place.
    await Promise.all(answers);
    return items;
  }

  /** Until it is admitted: who is told to wait does. */
  private async open(sid: string, signal: AbortSignal): Promise<void> {
    const { component, tally } = this.options;
    const open = (): Element => xml("open", { xmlns: NS.IBB, sid, "block-size": "65535", stanza: "message" });
    while (!signal.aborted) {
      try {
        await this.request(xml("iq", { type: "set", to: component }, open()));
        tally.opened++;
        return;
      } catch (error) {
        this.count(error instanceof StanzaError ? `open: ${error.condition}` : "open: disconnected");
        const told = error instanceof StanzaError ? error.application?.attrs?.["ms"] : "500";
        // Its answer was lost with a stream, and the sid is used now.
        if (told === undefined) return;
        await delay(Number(told), undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** What is answered whatever the machine's pace is: later frames may meet a link that has ended. */
  private questions(): Uint8Array {
    const { bystander } = this.options;
    return Buffer.concat([
      encodeFrame({ type: "subscribe", request: 1, nodes: [bystander], options: [] }),
      encodeFrame({ type: "subscribe", request: 2, nodes: [`${bystander}-unknown`], options: [] }),
      encodeFrame({
        type: "resume",
        request: QUESTIONS,
        token: new Uint8Array(18),
        more: false,
        positions: [],
      }),
    ]);
  }

  private async untilAnswered(signal: AbortSignal): Promise<void> {
    const end = performance.now() + ANSWER_MS;
    while (this.answered.size < QUESTIONS && performance.now() < end && !signal.aborted)
      await delay(5, undefined, { signal }).catch(() => undefined);
    if (this.answered.size < QUESTIONS && !signal.aborted)
      this.options.tally.findings.push(
        `${this.answered.size} of ${QUESTIONS} requests by frame were answered`,
      );
  }

  /** Undefined where no HELLO comes: the link was given up already. */
  private async untilTagged(signal: AbortSignal): Promise<number | undefined> {
    const end = performance.now() + TAG_MS;
    while (this.tag === undefined && performance.now() < end && !signal.aborted)
      await delay(5, undefined, { signal }).catch(() => undefined);
    return this.tag;
  }

  private sendLean(id: string): void {
    const { component } = this.options;
    (this.connection as Connection).sendElement(xml("message", { to: component, type: "headline", id }));
  }

  private request(iq: Element): Promise<Element> {
    return (this.connection as Connection).request(iq, { timeoutMs: ANSWER_MS });
  }

  private async ask(iq: Element): Promise<void> {
    const { findings } = this.options.tally;
    const text = (): string => String(iq).slice(0, 2_000);
    try {
      await this.request(iq);
      this.count("result");
    } catch (error) {
      if (error instanceof StanzaError) {
        this.count(error.condition);
        if (error.condition === "internal-server-error") findings.push(`internal-server-error for ${text()}`);
      } else if (error instanceof XmppError && error.code === "timeout")
        findings.push(`no answer to ${text()}`);
      else this.count("disconnected");
    }
  }

  private count(answer: string): void {
    const { answers } = this.options.tally;
    answers[answer] = (answers[answer] ?? 0) + 1;
  }

  private sendBlock(sid: string, seq: number, block: Uint8Array): void {
    // A block is at most so large; padding would make no other one of it.
    this.sendData({ sid, seq: String(seq) }, encodeBase64(block.subarray(0, 65_535)), "headline");
  }

  private sendData(
    attrs: Readonly<Record<string, string>>,
    text: string,
    type: string,
    ...more: Element[]
  ): void {
    (this.connection as Connection).sendElement(
      xml(
        "message",
        { to: this.options.component, type },
        xml("data", { xmlns: NS.IBB, ...attrs }, text),
        ...more,
      ),
    );
  }

  /** What is wrong below the frames, and errors and presence that are not. */
  private sendOdd(
    random: Random,
    sid: string,
    seq: number,
    blocks: FuzzBlocks,
    tag: number | undefined,
  ): void {
    const { component } = this.options;
    const block = encodeBase64(blocks.right(0).subarray(0, 3_000));
    const error = formatStanzaError(
      new StanzaError(
        random.pick(["item-not-found", "recipient-unavailable", "gone", "unexpected-request"]),
        "cancel",
      ),
    );
    random.pick([
      () => this.sendData({ sid, seq: String(seq + 1 + random.below(9)) }, block, "headline"),
      () => this.sendData({ sid, seq: String(Math.max(0, seq - 1)) }, block, "headline"),
      () => this.sendData({ sid, seq: random.pick(["", "x", "-1", "65536", "1e2"]) }, block, "headline"),
      () =>
        this.sendData(
          { sid, seq: String(seq) },
          random.pick(["*", "AAA", "A".repeat(100_000), "=AAA", " "]),
          "headline",
        ),
      () => this.sendData({ sid: random.pick(["x", "", "'".repeat(5_000)]), seq: "0" }, block, "chat"),
      () => this.sendData({ sid, seq: "0" }, block, "error", error),
      () => this.sendData({ sid: "gone", seq: "0" }, block, "error", error),
      // A lean stanza of the component that would come back, of this link or of none.
      () =>
        void (this.connection as Connection).sendElement(
          xml(
            "message",
            { to: component, type: "error", id: oddLeanId(random, tag ?? 0, seq, blocks.right(0)) },
            error,
          ),
        ),
      () => this.sendLean(oddLeanId(random, random.below(64), seq, blocks.right(0))),
      () =>
        void (this.connection as Connection).sendElement(
          xml("message", { to: component, type: "error" }, error),
        ),
      () =>
        void (this.connection as Connection).sendElement(
          xml("presence", {
            to: component,
            type: random.pick(["unavailable", undefined, "subscribe", "probe"]),
          }),
        ),
      () =>
        void (this.connection as Connection).sendElement(
          xml("message", { to: component }, xml("body", {}, "hello")),
        ),
    ])();
  }

  private countRefusal({ code, text }: RefusedFrame): void {
    this.count(`REFUSED ${code}`);
    if (code === "internal") this.options.tally.findings.push(`REFUSED internal: ${text}`);
  }

  private onStanza(stanza: Element): boolean {
    if (stanza.name !== "message") return false;
    if (stanza.attrs["type"] === "error") {
      this.count(`message: ${stanza.getChild("error")?.getChildElements()[0]?.name ?? "error"}`);
      return true;
    }
    const data = stanza.getChild("data", NS.IBB)?.text();
    const id = stanza.attrs["id"] as string | undefined;
    const isLean = data === undefined && id !== undefined && stanza.children.length === 0;
    const block = isLean ? framesOf(id) : decodeBase64(data ?? "");
    if (block === undefined) return true;
    if (isLean) this.count("lean");
    this.tokens.length = Math.min(this.tokens.length, TOKENS);
    for (const frame of decodeBlock(block, DEFAULT_LIMITS)) {
      if (frame.type === "hello" && frame.token !== null) this.tokens.unshift(frame.token);
      if (frame.type === "hello") this.tag = frame.lean?.tag ?? undefined;
      if (frame.type === "grant" || frame.type === "refused") this.answered.add(frame.request);
      if (frame.type === "grant") this.count("GRANT");
      if (frame.type === "refused") this.countRefusal(frame);
      if (frame.type !== "bye") continue;
      this.count(`BYE ${frame.code}`);
      if (frame.code === "internal") this.options.tally.findings.push(`BYE internal: ${frame.text}`);
    }
    return true;
  }
}
