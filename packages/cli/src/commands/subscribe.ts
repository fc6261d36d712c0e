import type { Client, Subscription, StanzapackError } from "@stanzapack/client";
import type { Since } from "@stanzapack/wire";
import { type Command, Option } from "commander";
import { addConnectionOptions, withClient, type ConnectionOptions } from "../connection-options.js";
import {
  collectNodes,
  isPattern,
  listOf,
  parseCount,
  parseInterval,
  parseNumber,
  parseSinceOption,
  parseWindow,
} from "../parse.js";
import { RowOutput } from "../row-output.js";
import { interruptible, untilAborted } from "../signals.js";

interface SubscribeOptions extends ConnectionOptions {
  readonly window: number;
  readonly since?: Since;
  readonly samples: "all" | "latest";
  readonly maxRate?: number;
  readonly fields?: readonly string[];
  readonly deadband?: number;
  readonly heartbeat?: number;
  readonly count?: number;
}

export function addSubscribe(program: Command): void {
  const command = program
    .command("subscribe")
    .summary("print the values of services as they come")
    .description(
      "Subscribes to services and prints every value as one line of JSON, until --count values have come, or " +
        "SIGINT or SIGTERM. Reconnects by itself. A service that its publisher withdraws ends it with exit code 1, unless " +
        "a pattern brought it.",
    )
    .argument(
      "<node...>",
      "alice@example.org/temp, or 'alice@example.org/*': all of a publisher, now and later",
      collectNodes,
    )
    .option(
      "--window <duration>",
      "how long values may be gathered, which saves bytes: 100ms, 1s, 0",
      parseWindow,
      0,
    )
    .option(
      "--since <where>",
      "of logs, begin with what is kept: `first`, behind EPOCH:OFFSET, or from a time: 2026-11-24T12:00:00Z",
      parseSinceOption,
    )
    .addOption(
      new Option("--samples <which>", "`latest`: of each window the newest value alone")
        .choices(["all", "latest"])
        .default("all"),
    )
    .option("--max-rate <number>", "most values a second; older ones give way to newer ones", parseNumber)
    .option("--fields <name,...>", "of objects, these top-level fields alone travel", listOf(String))
    .option(
      "--deadband <number>",
      "leave a value out while it, or each of its numbers, differs by no more from the last one that came; 0: print changes",
      parseNumber,
    )
    .option(
      "--heartbeat <duration>",
      "so often something comes: the value that --deadband holds back, or a line of `status`",
      parseInterval,
    )
    .option("--count <n>", "end after so many values, of all nodes together", parseCount);
  addConnectionOptions(command)
    .addHelpText(
      "after",
      `
Lines on stdout:
  {"node", "epoch", "offset", "at", "value"}      \`at\`: ms since 1970 of the component's clock; bytes are base64
  {"node", "event", "from", "to", "reason"}       event:
    lost        the values at these offsets should have come and never will
    conflated   they were left out in favour of newer ones
    reset       offsets began anew: from the old one to the new one
    status      of the publisher (online, offline, paused) or our own link (disconnected, waiting), in \`reason\`;
                with --heartbeat again while nothing comes

--samples latest, --max-rate and --deadband leave values out, which are told as conflated, and are not for logs.

Examples:
  $ stanzapack subscribe alice@example.org/temp
  $ stanzapack subscribe alice@example.org/temp --window 1s --count 10
  $ stanzapack subscribe alice@example.org/journal --since first
  $ stanzapack subscribe 'alice@example.org/*' --window 5s
  $ stanzapack subscribe alice@example.org/weather --fields wind,gust --deadband 0.5 --heartbeat 10s
  $ stanzapack subscribe alice@example.org/temp bob@example.org/load | jq -c '[.node, .value]'`,
    )
    .action(subscribe);
}

async function subscribe(nodes: readonly string[], options: SubscribeOptions): Promise<void> {
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
