import { setTimeout as sleep } from "node:timers/promises";
import type { Client, StanzapackError, Subscription } from "@stanzapack/client";
import { numberOf } from "./values.js";
import { Witness } from "./witness.js";

/** What a subscriber needs to know of the round. */
export interface SubscriberOptions {
  readonly role: "first" | "live" | "slow";
  readonly node: string;
  readonly seed: number;
  /** While this holds, the slow one is slow. */
  readonly busy: () => boolean;
}

/** The slow one reads so many, and then nothing for so many ms: below the load's rate. */
const SLOW_READS = 20;
const SLOW_PAUSE_MS = 160;
/** So few wait for the slow one until its subscription rests. */
export const SLOW_QUEUE = 60;

/** One subscriber, and what it saw. */
export class Subscriber {
  readonly witness: Witness;
  /** Once it has ended. */
  ended: { readonly error: StanzapackError | undefined } | undefined;
  /** Nothing keeps it from getting what is published next: it is connected, subscribed and does not rest. */
  taking = true;
  private readonly reading: Promise<void>;

  private constructor(
    readonly client: Client,
    private readonly subscription: Subscription<unknown>,
    private readonly options: SubscriberOptions,
  ) {
    const witness = (this.witness = new Witness(options.role));
    for (const what of ["lost", "conflated", "reset"] as const)
      subscription.on(what, (range) => witness.tell(what, range));
    subscription.on("reset", () => {
      // The answer to its request is there; what awaits it has its turn before this.
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
      // Each in a lane of its own.
      windowMs: { first: 100, live: 0, slow: 200 }[options.role],
      ...(options.role === "live" ? {} : { since: "first" }),
      ...(options.role === "slow" ? { maxQueued: SLOW_QUEUE } : {}),
    });
    return new Subscriber(client, subscription, options);
  }

  /** What its subscription says of itself, and how far it is granted, for findings. */
  get standing(): string {
    const { status, shared } = this.subscription;
    return [status, ...(shared.isBound ? ["bound"] : []), ...(shared.subid === "" ? [] : ["granted"])].join(
      ", ",
    );
  }

  private take(update: { readonly value: unknown; readonly epoch: number; readonly offset: number }): void {
    const n = numberOf(this.options.seed, update.value);
    if (n === undefined)
      this.witness.fault(`position ${update.offset} had ${JSON.stringify(update.value)}, never published`);
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

  /** Nobody closed it, and yet it has ended. */
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
