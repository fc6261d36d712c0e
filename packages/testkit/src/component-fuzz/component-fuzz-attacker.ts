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

/** Counts over all attackers. */
export interface Tally {
  stanzas: number;
  /** Number of links opened. */
  opened: number;
  /** Number of each answer: `result`, a stanza error's condition, or the way in which a link ended. */
  readonly answers: Record<string, number>;
  /** Number of attackers' streams that ended by themselves, by reason. */
  readonly streamsLost: Record<string, number>;
  readonly findings: string[];
}

/** Longest wait for the answer to an iq, on any machine, in ms. */
const ANSWER_MS = 60_000;
/** Number of resume tokens that are tried again. */
const TOKENS = 4;
/**
 * Number of requests by frame on the first link: a bystanders' service, one that nobody offers, and an unknown session.
 */
const QUESTIONS = 3;
/** Longest time from an open until the component names its tag, in ms. */
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
 * One session that opens link after link and misbehaves on each. The seed alone decides what it sends, whatever the
 * answers are, except for tokens that it received. The server's pace decides when it sends.
 */
export class Attacker {
  private life = 0;
  /** Resume tokens of the last links. */
  private readonly tokens: Uint8Array[] = [];
  private connection: Connection | undefined;
  /** Tag of this life's link, with which its lean stanzas begin. Undefined until the component names it. */
  private tag: number | undefined;
  /** Requests by frame that have been answered. */
  private readonly answered = new Set<number>();

  constructor(private readonly options: AttackerOptions) {}

  /** Logs in, sends `count` fuzzed stanzas, and logs out. */
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

  /** One link, from open to end. Returns the number of its fuzzed stanzas. */
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
      // The component sends its own probe as soon as it has read HELLO.
      this.sendBlock(sid, seq++, encodeFrame({ type: "envelope", word: "confirm", value: PROBE_CHARS }));
    }
    if (isFirst) {
      this.sendBlock(sid, seq++, this.questions());
      await this.untilAnswered(signal);
    }
    /** Sends a block in either kind of stanza. */
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
    // Then requests by frame have their answers too.
    if (random.chance(50)) await Promise.all(answers);
    const end = random.below(100);
    if (end < 70)
      answers.push(this.ask(xml("iq", { type: "set", to: component }, xml("close", { xmlns: NS.IBB, sid }))));
    else if (end < 85) send(encodeFrame({ type: "bye", code: "stopped", text: "" }));
    // Otherwise the link stays open, and the next link replaces it.
    await Promise.all(answers);
    return items;
  }

  /** Opens the link. If the component says to wait, waits and tries again. */
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
        // The answer was lost with an earlier stream, and the sid is used now.
        if (told === undefined) return;
        await delay(Number(told), undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Requests that are answered at any pace of the machine. Later frames may reach a link that has ended. */
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
        `the component answered ${this.answered.size} of ${QUESTIONS} requests by frame`,
      );
  }

  /** Waits for the link's tag. Undefined if no HELLO arrives: the component has given up the link already. */
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
    // Largest size of a block. It is cut, since the component would refuse a larger one anyway.
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

  /** Sends faults below the level of frames, and errors and presence that are correct. */
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
      // An error for a lean stanza of the component, of this link or of none.
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
