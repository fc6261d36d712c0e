import { setTimeout as sleep } from "node:timers/promises";
import type { Client, StanzapackError, Subscription } from "@stanzapack/client";
import { numberOf } from "./values.js";
import { Witness } from "./witness.js";

/** What a subscriber needs to know about the round. */
export interface SubscriberOptions {
  readonly role: "first" | "live" | "slow";
  readonly node: string;
  readonly seed: number;
  /** The slow subscriber reads slowly while this returns true. */
  readonly busy: () => boolean;
  /** Whether the component leaves out positions after a crash. */
  readonly skips: boolean;
}

/** The slow subscriber reads this many updates, then pauses: together less than the load's rate. */
const SLOW_READS = 20;
const SLOW_PAUSE_MS = 160;
/** Most updates that may wait for the slow subscriber before its subscription pauses. */
export const SLOW_QUEUE = 60;

/** One subscriber, and what it received. */
export class Subscriber {
  readonly witness: Witness;
  /** Set once the subscription has ended. */
  ended: { readonly error: StanzapackError | undefined } | undefined;
  /** Whether the next update can reach it: it is connected, subscribed and does not pause. */
  taking = true;
  private readonly reading: Promise<void>;

  private constructor(
    readonly client: Client,
    private readonly subscription: Subscription<unknown>,
    private readonly options: SubscriberOptions,
  ) {
    const witness = (this.witness = new Witness(options.role, options.skips));
    for (const what of ["lost", "conflated", "reset"] as const)
      subscription.on(what, (range) => witness.tell(what, range));
    subscription.on("reset", () => {
      // The answer to its request has arrived. Code that awaits the answer runs before this.
      setImmediate(() => {
        if (subscription.recovered !== false && this.ended === undefined)
          witness.fault(`after a reset \`recovered\` is ${String(subscription.recovered)}`);
      });
    });
    subscription.on("status", ({ status }) => (this.taking = status === "online"));
    subscription.on("ended", (error) => (this.ended = { error }));
    if (options.role === "slow") this.reading = this.readSlowly();
    else {
      subscription.on("update", (update) => this.take(update));
      this.reading = Promise.resolve();
    }
  }

  static async start(client: Client, options: SubscriberOptions): Promise<Subscriber> {
    const subscription = await client.subscribe<unknown>(options.node, {
      // Different windows put each subscriber into a lane of its own.
      windowMs: { first: 100, live: 0, slow: 200 }[options.role],
      ...(options.role === "live" ? {} : { since: "first" }),
      ...(options.role === "slow" ? { maxQueued: SLOW_QUEUE } : {}),
    });
    return new Subscriber(client, subscription, options);
  }

  /** The subscription's status and granted window, for findings. */
  get standing(): string {
    const { status, windowMs } = this.subscription;
    return `${status}, window ${windowMs} ms`;
  }

  private take(update: { readonly value: unknown; readonly epoch: number; readonly offset: number }): void {
    const n = numberOf(this.options.seed, update.value);
    if (n === undefined)
      this.witness.fault(`position ${update.offset} had an unknown value: ${JSON.stringify(update.value)}`);
    else this.witness.update(n, update.epoch, update.offset);
  }

  private async readSlowly(): Promise<void> {
    let count = 0;
    try {
      for await (const update of this.subscription) {
        this.take(update);
        if (++count % SLOW_READS === 0 && this.options.busy()) await sleep(SLOW_PAUSE_MS);
      }
    } catch {
      // `ended` has it.
    }
  }

  /** Why the subscription ended, although nobody closed it. */
  get failure(): string | undefined {
    return (
      this.ended && `${this.options.role}: its subscription ended: ${this.ended.error?.message ?? "stopped"}`
    );
  }

  async close(): Promise<void> {
    await this.client.close();
    await this.reading;
  }
}
