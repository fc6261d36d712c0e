import type { Sibling } from "@stanzapack/wire";
import { monotonicNow, NS, StanzaError, xml, type Connection, type Element } from "@stanzapack/xmpp";
import type { Logger } from "pino";
import type { Siblings } from "../links/link-table.js";
import { betterNode, siblingsOf, type Loaded } from "./balance.js";
import type { NodeInfo } from "./node-store.js";
import type { Session } from "./session.js";

/**
 * After this long without a renewal, a node asks its siblings whether the store answers them, in ms. 3,000: clients are
 * elsewhere before the session ends, which is after 10 s.
 */
const CUT_OFF_MS = 3_000;
/** A node that has renewed its session in this time tells its siblings that it is ready, in ms. */
const READY_MS = 2_000;
const ANSWER_MS = 2_000;

export interface PlacementHost {
  readonly domain: string;
  readonly connection: Connection;
  readonly log: Logger;
  readonly describe: () => Pick<NodeInfo, "weight" | "region">;
  /** Tells all clients to go on at another node. */
  readonly sendAway: (why: string) => void;
}

/**
 * Which node a client should use. It tells clients of the siblings, and shares links among the nodes. A node that alone
 * cannot reach the store sends its clients away. Whether it is alone it asks the others through the XMPP server. If none
 * of them can reach the store, clients stay where they are.
 */
export class Placement implements Siblings {
  /** The sibling that is ready while this node is cut off from the store. */
  private refuge: string | undefined;
  private asking: Promise<void> | undefined;
  changes = 0;
  /** Siblings that lived when this was looked at last. */
  private living: ReadonlySet<string> = new Set();
  private readonly stopAnswering: () => void;

  constructor(
    private readonly host: PlacementHost,
    private readonly session: Session,
  ) {
    this.stopAnswering = host.connection.onIq("get", NS.STANZAPACK, "node", ({ from }) => this.answer(from));
  }

  list(): readonly Sibling[] | undefined {
    const siblings = siblingsOf(this.describe(0), this.session.nodes);
    return siblings.length === 0 ? undefined : siblings;
  }

  better(links: number, isFull: boolean): string | undefined {
    return this.refuge ?? betterNode(this.describe(links), this.session.nodes, isFull, Math.random());
  }

  private describe(links: number): Loaded {
    return { domain: this.host.domain, ...this.host.describe(), links };
  }

  /** Tells a sibling whether this node reaches the store. */
  private answer(from: string): Element {
    if (!this.session.all.some(({ domain }) => domain === from))
      throw new StanzaError("forbidden", "auth", "only the other nodes of this component may ask");
    const isReady = this.session.sinceRenewalMs(monotonicNow()) < READY_MS;
    return xml("node", { xmlns: NS.STANZAPACK, ready: String(isReady) });
  }

  /** Once a second. */
  sweep(now: number): void {
    const living = new Set(this.session.nodes.map(({ domain }) => domain));
    if ([...living].some((domain) => !this.living.has(domain))) this.changes++;
    this.living = living;
    if (this.session.sinceRenewalMs(now) < CUT_OFF_MS) this.refuge = undefined;
    else if (this.host.connection.state === "online")
      this.asking ??= this.findRefuge().finally(() => (this.asking = undefined));
  }

  private async findRefuge(): Promise<void> {
    const { domain: own, log } = this.host;
    const others = this.session.all.filter(({ domain }) => domain !== own);
    const ready = await Promise.all(
      others.map(async ({ domain }) => ((await this.isReady(domain)) ? [domain] : [])),
    );
    const before = this.refuge;
    if (this.session.sinceRenewalMs(monotonicNow()) < CUT_OFF_MS) return;
    [this.refuge] = ready.flat();
    if (this.refuge === undefined || before !== undefined) return;
    log.error(
      { refuge: this.refuge },
      "only this node cannot reach Redis: its clients go to the other nodes",
    );
    this.host.sendAway("this node cannot reach its store, and other nodes can");
  }

  private async isReady(domain: string): Promise<boolean> {
    try {
      const question = xml("iq", { type: "get", to: domain }, xml("node", NS.STANZAPACK));
      const answer = await this.host.connection.request(question, { timeoutMs: ANSWER_MS });
      return answer.getChild("node", NS.STANZAPACK)?.attrs["ready"] === "true";
    } catch {
      // Not there, or no node any more.
      return false;
    }
  }

  stop(): void {
    this.stopAnswering();
  }
}
