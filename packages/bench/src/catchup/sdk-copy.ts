import { setTimeout as delay } from "node:timers/promises";
import { connect, type Client, type OfferedMap, type Subscription } from "@stanzapack/client";
import { StanzapackError } from "@stanzapack/wire";
import { startSandboxProcess, type SandboxProcess } from "../demo/sandbox-process.js";
import type { Catch, Changes, Copy, Reading } from "./rows.js";

/** Keys of one update while the map is filled. */
const BATCH = 1_000;
const POLL_MS = 5;
/** Longest time of one step, in ms. */
const STEP_MS = 120_000;

/** A subscriber of a map on a real server, with a publisher and a component. It pauses while the map changes. */
class SdkCopy implements Copy {
  private payloadBytes = 0;
  private subscription: Subscription<Reading> | undefined;

  constructor(
    private readonly sandbox: SandboxProcess,
    private readonly publisher: Client,
    private readonly subscriber: Client,
    private readonly offered: OfferedMap<Reading>,
    private readonly signal: AbortSignal,
  ) {
    subscriber.onBlock = (_chars, frames) => {
      for (const { frame } of frames) if ("payload" in frame) this.payloadBytes += frame.payload.length;
    };
  }

  async catchUp(changes: Changes): Promise<Catch> {
    await this.pause();
    await this.publish(changes);
    this.payloadBytes = 0;
    const before = performance.now();
    if (this.subscription === undefined)
      this.subscription = await this.subscriber.subscribe(this.offered.node);
    else await this.subscriber.setActive(true);
    const { subscription } = this;
    // `synced` stays true during a pause, so the values tell.
    const hasAll = (): boolean =>
      subscription.synced && [...changes].every(([key, value]) => isSame(subscription.map.get(key), value));
    await this.until(hasAll, "the changes");
    const ms = performance.now() - before;
    const { payloadBytes: bytes } = this;
    return { bytes, ms };
  }

  private async pause(): Promise<void> {
    const { subscription } = this;
    if (subscription === undefined) return;
    await this.subscriber.setActive(false);
    await this.until(() => subscription.status === "paused", "the pause");
  }

  private async publish(changes: Changes): Promise<void> {
    const all = [...changes];
    for (let at = 0; at < all.length; at += BATCH) {
      this.offered.batch(() => {
        for (const [key, value] of all.slice(at, at + BATCH)) this.offered.set(key, value);
      });
      // The outbox is bounded.
      if ((at / BATCH) % 10 === 9) await this.offered.settled();
    }
    await this.offered.settled();
  }

  private async until(holds: () => boolean, what: string): Promise<void> {
    for (const until = performance.now() + STEP_MS; !holds();) {
      if (performance.now() > until) throw new StanzapackError("timeout", `${what} did not come`);
      await delay(POLL_MS, undefined, { signal: this.signal });
    }
  }

  async close(): Promise<void> {
    await this.subscriber.close();
    await this.publisher.close();
    await this.sandbox.stop();
  }
}

function isSame(held: Reading | undefined, { t, h, ok }: Reading): boolean {
  return held?.t === t && held.h === h && held.ok === ok;
}

/** Starts a private Prosody and a component, and connects a publisher and a subscriber. */
export async function createSdkCopy(signal: AbortSignal): Promise<Copy> {
  const sandbox = await startSandboxProcess("prosody", 2, signal);
  const clients: Client[] = [];
  try {
    for (const { jid, password } of sandbox.accounts.slice(0, 2))
      clients.push(
        await connect({
          jid,
          password,
          component: sandbox.streams,
          inactive: "pause",
          signal,
          ...sandbox.road,
        }),
      );
    const [publisher, subscriber] = clients as [Client, Client];
    const offered = await publisher.offer<Reading>("sensors", { kind: "map" });
    return new SdkCopy(sandbox, publisher, subscriber, offered, signal);
  } catch (error) {
    for (const client of clients) await client.close();
    await sandbox.stop();
    throw error;
  }
}
