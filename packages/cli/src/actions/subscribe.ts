import { setTimeout as sleep } from "node:timers/promises";
import type { Client, Subscription } from "@stanzapack/client";
import { isPattern, StanzapackError, type Since } from "@stanzapack/wire";
import { prepareNode } from "@stanzapack/xmpp";
import type { ConnectionOptions } from "../base/connection-options.js";
import { withClient } from "../base/with-client.js";
import { Feed } from "../subscribe/feed.js";
import { RowOutput } from "../subscribe/row-output.js";
import { endOfPrinting, interruptible, untilAborted } from "../base/signals.js";

export interface SubscribeOptions extends ConnectionOptions {
  readonly window: number;
  readonly since?: Since;
  readonly cursor?: string;
  readonly samples: "all" | "latest";
  readonly maxRate?: number;
  readonly fields?: readonly string[];
  readonly deadband?: number;
  readonly heartbeat?: number;
  readonly wait?: true;
  readonly count?: number;
}

/** With `--wait`: time between two requests for a service that nobody offers, in ms. */
const WAIT_POLL_MS = 2_000;

export async function subscribe(typed: readonly string[], options: SubscribeOptions): Promise<void> {
  // Prepared nodes, which are the names that the SDK's subscriptions have.
  const nodes = [...new Set(typed.map(nodeNamed))];
  await interruptible(async (interruption) => {
    const ending = endOfPrinting(interruption);
    await withClient(options, { signal: ending.signal }, async (client) => {
      const output = new RowOutput(process.stdout);
      let left = options.count ?? Infinity;
      const take = (): boolean => {
        if (--left <= 0) ending.abort();
        return left >= 0;
      };
      const feed =
        options.cursor === undefined ? undefined : new Feed(output, () => !ending.signal.aborted, take);
      const printer = new Printer(output, take, feed);
      const follow = (subscription: Subscription): void => {
        tell(`subscribed to ${subscription.node}, window ${subscription.windowMs} ms; waiting for values`);
        // Prints the values that have arrived already.
        printer.follow(subscription);
      };
      const { signal } = ending;
      const work = options.wait
        ? Promise.all(nodes.map((node) => waitAndSubscribe(client, node, options, follow, signal)))
        : subscribeAll(client, nodes, options, follow);
      try {
        await Promise.race([untilAborted(signal), work]);
      } finally {
        ending.abort();
        await client.close();
        await output.end();
      }
    });
  });
}

/** The prepared node, or the text itself if it is not an address: the SDK then refuses it. */
function nodeNamed(text: string): string {
  try {
    return prepareNode(text);
  } catch {
    return text;
  }
}

/** Subscribes whenever the node's service is offered, again and again, until `signal`. */
async function waitAndSubscribe(
  client: Client,
  node: string,
  options: SubscribeOptions,
  follow: (subscription: Subscription) => void,
  signal: AbortSignal,
): Promise<void> {
  let told = false;
  while (!signal.aborted) {
    try {
      await subscribeAll(client, [node], options, (subscription) => {
        told = false;
        follow(subscription);
      });
    } catch (error) {
      if (!(error instanceof StanzapackError) || !["no-such-service", "withdrawn"].includes(error.code))
        throw error;
    }
    if (!told) tell(`nobody offers ${node}; waiting for it`);
    told = true;
    await sleep(WAIT_POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}

/**
 * Subscribes to one node by its own request, or to several nodes in one frame. Rejects when a node is refused or is a
 * map, or its subscription ends with an error. Resolves when one ends without an error. Subscriptions that a pattern
 * matched may end, and maps among them are left out. A pattern that is refused later is only reported on stderr.
 */
async function subscribeAll(
  client: Client,
  nodes: readonly string[],
  { window: windowMs, since, cursor, samples, maxRate, fields, deadband, heartbeat }: SubscribeOptions,
  follow: (subscription: Subscription) => void,
): Promise<void> {
  const options = {
    ...{ windowMs, samples, maxRate: maxRate ?? null, fields: fields ?? null },
    ...{ deadband: deadband ?? null, heartbeatMs: heartbeat ?? null },
    ...(since && { since }),
    ...(cursor !== undefined && { cursor }),
    onPending: () => tell(`waiting for the publisher to approve ${nodes.join(", ")}`),
  };
  let fail: (error: Error | undefined) => void;
  const ended = new Promise<void>((resolve, reject) => {
    fail = (error) => (error === undefined ? resolve() : reject(error));
  });
  const onSubscription = (subscription: Subscription): void => {
    const isNamed = nodes.includes(subscription.node);
    if (subscription.kind === "map") {
      const refusal = mapRefusal(subscription.node);
      if (isNamed) throw refusal;
      process.stderr.write(`${refusal.text}\n`);
      void subscription.stop();
      return;
    }
    follow(subscription);
    if (isNamed) subscription.on("ended", fail);
  };
  const [first] = nodes;
  if (nodes.length === 1 && first !== undefined && !isPattern(first)) {
    onSubscription(await client.subscribe(first, options));
    return ended;
  }
  const all = await client.subscribeAll(nodes, options);
  for (const refusal of all.refused.values()) throw refusal;
  for (const subscription of all.subscriptions.values()) onSubscription(subscription);
  for (const pattern of nodes.filter(isPattern))
    tell(`subscribed to ${pattern}; waiting for services and values`);
  all.on("subscribed", onSubscription);
  all.on("refused", (pattern, error) => process.stderr.write(`${pattern}: ${error.message}\n`));
  return ended;
}

/** A map has no values to print as they arrive. */
function mapRefusal(node: string): StanzapackError {
  return new StanzapackError(
    "invalid-options",
    `\`${node}\` is a map, which has no updates: use \`stanzapack map watch\``,
  );
}

/** Says on a terminal what the command waits for, so that its screen is not empty. */
function tell(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`${line}\n`);
}

/** Writes the values and events of subscriptions as rows, in the order in which they are emitted. */
class Printer {
  /** `take` counts a value, and returns whether the value is to be printed. */
  constructor(
    private readonly output: RowOutput,
    private readonly take: () => boolean,
    /** Prints the values of subscriptions with a cursor. */
    private readonly feed: Feed | undefined,
  ) {}

  follow(subscription: Subscription): void {
    const { node } = subscription;
    const { output } = this;
    const status = (reason: string): void =>
      output.write({ node, event: "status", from: null, to: null, reason });
    // The status may have changed before the listeners below exist.
    if (subscription.status !== "online") status(subscription.status);
    for (const event of ["lost", "conflated", "reset"] as const)
      subscription.on(event, ({ from, to, reason }) => output.write({ node, event, from, to, reason }));
    subscription.on("status", (event) => status(event.status));
    if (this.feed !== undefined) return this.feed.follow(subscription);
    subscription.on("update", ({ epoch, offset, at, value }) => {
      if (this.take()) output.write({ node, epoch, offset, at, value });
    });
  }
}
