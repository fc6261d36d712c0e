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
    .summary("what a few who misbehave cost everybody else")
    .description(
      "A value and a log at 10 Hz, windows of 100 ms. In every other phase, beginning with the first, there are: a program stuck in its " +
        "loop over both; a client whose TCP stops reading; a publisher of 10,000 updates a second; a client that subscribes and " +
        "stops as fast as it can; one that opens and closes links so; and, where named, `costly`: a publisher by hand whose few bytes " +
        "take long to read. Ages and losses of the others, and the component's memory.",
    )
    .addOption(new Option("--server <kind>", "only this one (default: both)").choices(SERVERS))
    .option("--subscribers <count>", "bystanders, resources of a few accounts", parseCount, 50)
    .addOption(duration("--for <duration>", "how long a phase is", 30_000))
    .option("--phases <count>", "with them and without, in turn", parseCount, 5)
    .option("--offender <list>", `${OFFENDERS.join(", ")} (default: all but costly)`, list)
    .option("--quick", "a minute a server: three phases of 8 s")
    .option("--json", "one JSON array on stdout")
    .addHelpText(
      "after",
      `
Rows: {server, subscribers, windowMs, quietP50Ms, quietP99Ms, troubledP50Ms, troubledP99Ms, ratio, updates, missing,
conflated, faults, floodPerSecond, subscriptionsPerSecond, subscriptionsRefused, linksPerSecond, linksRefused,
idleRssBytes, baseRssBytes, quietRssBytes, troubledRssBytes, boundBytes, serverCpuPercent, componentCpuPercent}; ages and
memory are medians and maxima over the phases without (quiet) and with (troubled) them.

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
