import { Option, type Command } from "commander";
import { listOf, parseCount } from "../../base/parse.js";
import { duration, onEachServer, oneOf, SERVERS, type CrowdOptions } from "./on-each-server.js";

const OFFENDERS = ["stuck", "stopped", "flood", "churn", "links", "costly"] as const;

interface BystandersOptions extends CrowdOptions {
  readonly for: number;
  readonly phases: number;
  readonly offender?: readonly string[];
  readonly quick?: true;
}

export function addBystanders(bench: Command): void {
  const list = listOf((text) => oneOf(OFFENDERS, text));
  bench
    .command("bystanders")
    .summary("measure what a few misbehaving clients cost all others")
    .description(
      "Subscribers (bystanders) take a value and a log at 10 Hz, in windows of 100 ms. Every other " +
        "phase, from the first on, also has offenders: a program that is stuck in its loop over both " +
        "services; a client whose TCP stops reading; a publisher of 10,000 updates a second; a client " +
        "that subscribes and unsubscribes as fast as it can; a client that opens and closes links as " +
        "fast as it can. If --offender names it, `costly` is a publisher whose few hand-made bytes take " +
        "long to read. Measures ages and losses of the bystanders, and the component's memory.",
    )
    .addOption(new Option("--server <kind>", "only this server (default: both)").choices(SERVERS))
    .option("--subscribers <count>", "number of bystanders, resources of a few accounts", parseCount, 50)
    .addOption(duration("--for <duration>", "length of a phase", 30_000))
    .option("--phases <count>", "number of phases, in turn with and without offenders", parseCount, 5)
    .option("--offender <list>", `${OFFENDERS.join(", ")} (default: all but costly)`, list)
    .option("--quick", "one minute for each server: three phases of 8 s")
    .option("--json", "one JSON array on stdout")
    .addHelpText(
      "after",
      `
Rows: {server, subscribers, windowMs, quietP50Ms, quietP99Ms, troubledP50Ms, troubledP99Ms, ratio, updates, missing,
conflated, faults, floodPerSecond, subscriptionsPerSecond, subscriptionsRefused, linksPerSecond, linksRefused,
idleRssBytes, baseRssBytes, quietRssBytes, troubledRssBytes, boundBytes, serverCpuPercent, componentCpuPercent}. Ages
and memory are medians and maxima over the phases without offenders (quiet) and with offenders (troubled).

Examples:
  $ stanzapack bench bystanders
  $ stanzapack bench bystanders --quick --server ejabberd --offender flood --json`,
    )
    .action(bystanders);
}

async function bystanders(options: BystandersOptions): Promise<void> {
  const { subscribers, offender, quick } = options;
  const phases = quick ? { forMs: 8_000, phases: 3 } : { forMs: options.for, phases: options.phases };
  await onEachServer(
    options,
    ({ peers }, server, run) =>
      peers.runBystanders({
        ...{ server, subscribers },
        ...phases,
        ...(offender && { offenders: offender }),
        ...run,
      }),
    ({ peers }, row) => peers.judgeBystanders(row),
  );
}
