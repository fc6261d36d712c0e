import type { Client, Subscription, StanzapackError } from "@stanzapack/client";
import type { Since } from "@stanzapack/wire";
import type { ConnectionOptions } from "../connection-options.js";
import { withClient } from "../with-client.js";
import { isPattern } from "../parse.js";
import { RowOutput } from "../row-output.js";
import { interruptible, untilAborted } from "../signals.js";

export interface SubscribeOptions extends ConnectionOptions {
  readonly window: number;
  readonly since?: Since;
  readonly samples: "all" | "latest";
  readonly maxRate?: number;
  readonly fields?: readonly string[];
  readonly deadband?: number;
  readonly heartbeat?: number;
  readonly count?: number;
}

export async function subscribe(nodes: readonly string[], options: SubscribeOptions): Promise<void> {
  await interruptible(async (interruption) => {
    const ending = new AbortController();
    const end = (): void => ending.abort();
    interruption.signal.addEventListener("abort", end);
    // The reader has seen enough (`| head`).
    process.stdout.once("error", end).once("close", end);
    await withClient(options, { signal: ending.signal }, async (client) => {
      const output = new RowOutput(process.stdout);
      let left = options.count ?? Infinity;
      let failure: StanzapackError | undefined;
      const printer = new Printer(output, () => {
        if (--left <= 0) end();
        return left >= 0;
      });
      await Promise.race([
        untilAborted(ending.signal),
        subscribeAll(client, nodes, options, (subscription) => {
          printer.follow(subscription);
          if (!nodes.includes(subscription.node)) return;
          subscription.on("ended", (error) => {
            failure ??= error;
            end();
          });
        }).then(() => untilAborted(ending.signal)),
      ]);
      await client.close();
      await output.end();
      if (failure !== undefined) throw failure;
    });
  });
}

/** One by itself, several in one frame. Any that is refused at the beginning ends it. */
async function subscribeAll(
  client: Client,
  nodes: readonly string[],
  { window: windowMs, since, samples, maxRate, fields, deadband, heartbeat }: SubscribeOptions,
  onSubscription: (subscription: Subscription) => void,
): Promise<void> {
  const options = {
    ...{ windowMs, samples, maxRate: maxRate ?? null, fields: fields ?? null },
    ...{ deadband: deadband ?? null, heartbeatMs: heartbeat ?? null },
    ...(since && { since }),
  };
  const [first] = nodes;
  if (nodes.length === 1 && first !== undefined && !isPattern(first))
    return onSubscription(await client.subscribe(first, options));
  const all = await client.subscribeAll(nodes, options);
  for (const refusal of all.refused.values()) throw refusal;
  for (const subscription of all.subscriptions.values()) onSubscription(subscription);
  all.on("subscribed", onSubscription);
  all.on("refused", (pattern, error) => process.stderr.write(`${pattern}: ${error.message}\n`));
}

/** Writes everything that a subscription tells, in its order. */
class Printer {
  /** `take` says whether one more value is wanted. */
  constructor(
    private readonly output: RowOutput,
    private readonly take: () => boolean,
  ) {}

  follow(subscription: Subscription): void {
    const { node } = subscription;
    const { output } = this;
    const status = (reason: string): void =>
      output.write({ node, event: "status", from: null, to: null, reason });
    // What came before we could listen.
    if (subscription.status !== "online") status(subscription.status);
    for (const event of ["lost", "conflated", "reset"] as const)
      subscription.on(event, ({ from, to, reason }) => output.write({ node, event, from, to, reason }));
    subscription.on("status", (event) => status(event.status));
    subscription.on("update", ({ epoch, offset, at, value }) => {
      if (this.take()) output.write({ node, epoch, offset, at, value });
    });
  }
}
