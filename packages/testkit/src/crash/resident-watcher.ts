import { setTimeout as sleep } from "node:timers/promises";
import { connect, type Client, type StanzapackError } from "@stanzapack/client";
import type { CursorWitness } from "./cursor-witness.js";
import type { Entry } from "./map-load.js";
import { MapCopy, PREFIX } from "./map-watch.js";
import { CURSOR, NAMES } from "./resident-messages.js";
import type { Resting } from "./resident-publisher.js";
import type { Stage } from "./stage.js";

/** Longest time for the publisher's decision, in ms. An approved account needs none. */
const APPROVAL_MS = 30_000;
/** Longest time until the cursor is at the end of the log, in ms. The subscriber tells once a second. */
const CURSOR_MS = 60_000;
const POLL_MS = 200;

/** A client of the subscriber's account that is never killed. It has a part of the map, and looks at what is stored. */
export class Watcher {
  readonly findings: string[] = [];
  private client: Client | undefined;
  private copy: MapCopy | undefined;

  constructor(
    private readonly stage: Stage,
    private readonly account: { readonly jid: string; readonly password: string },
    private readonly publisher: string,
  ) {}

  /** Resolves when the publisher has approved the account. */
  async start(signal: AbortSignal): Promise<void> {
    const { sandbox, domain } = this.stage;
    const { jid, password } = this.account;
    const client = await connect({
      ...{ jid, password, component: domain, url: sandbox.url, ca: sandbox.ca, signal },
    });
    this.client = client;
    const map = await client.subscribe<Entry>(this.nodeOf("map"), { windowMs: 200, prefix: PREFIX });
    this.copy = new MapCopy("copy of a part of the map", map, PREFIX, (text) => this.findings.push(text));
    const value = await client.subscribe(this.nodeOf("value"), { approvalMs: APPROVAL_MS });
    await value.stop();
  }

  private nodeOf(name: keyof typeof NAMES): string {
    return `${this.publisher}/${NAMES[name]}`;
  }

  isAt({ map }: Resting): boolean {
    return this.copy?.isSame(map) === true;
  }

  standing({ map }: Pick<Resting, "map">): string {
    return this.copy?.standing(map) ?? "no copy of the map";
  }

  /** Checks its copy, the cursor and the approval, once everything has arrived. */
  async check(cursor: CursorWitness, signal: AbortSignal): Promise<void> {
    try {
      await this.copy?.verify();
      await this.checkCursor(cursor, signal);
      await this.checkApproval();
    } catch (error) {
      signal.throwIfAborted();
      this.findings.push(`looking at what is stored: ${(error as Error).message}`);
    }
  }

  /** The cursor must come to the end of the log, and never go back. */
  private async checkCursor(witness: CursorWitness, signal: AbortSignal): Promise<void> {
    const deadline = performance.now() + CURSOR_MS;
    for (;;) {
      const cursors = (await this.client?.cursors(this.nodeOf("sync"))) ?? [];
      const found = cursors.find(({ name }) => name === CURSOR);
      if (found !== undefined) {
        witness.sees(found);
        if (found.offset === witness.end?.offset && found.epoch === witness.end.epoch) return;
      }
      if (performance.now() > deadline) {
        const seen = found === undefined ? "there is none" : `it is at ${found.epoch}:${found.offset}`;
        this.findings.push(
          `expected the cursor at ${witness.end?.epoch}:${witness.end?.offset}, but ${seen}`,
        );
        return;
      }
      await sleep(POLL_MS, undefined, { signal });
    }
  }

  /** The account is approved, so nobody is asked. */
  private async checkApproval(): Promise<void> {
    let asked = false;
    const onPending = (): void => void (asked = true);
    try {
      const value = await this.client?.subscribe(this.nodeOf("value"), {
        approvalMs: APPROVAL_MS,
        onPending,
      });
      await value?.stop();
    } catch (error) {
      this.findings.push(`expected that the account is approved, but: ${(error as StanzapackError).message}`);
      return;
    }
    if (asked) this.findings.push("expected that the account is approved, but the publisher was asked again");
  }

  async close(): Promise<void> {
    await this.client?.close();
  }
}
