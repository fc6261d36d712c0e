import { Option, type Command } from "commander";
import { duration, onEachServer, SERVERS, TRANSPORTS, type ServerOptions } from "./on-each-server.js";

export function addSlowServer(bench: Command): void {
  bench
    .command("slow-server")
    .summary("how old values get at a server that limits a client's bytes per second")
    .description(
      "150 random doubles every 100 ms, some 16 kB/s, behind the limits that servers ship with (ejabberd 3,000 B/s, Prosody " +
        "10 kB/s): how old the newest value at a subscriber is, with the publisher's pacing and, at the same time, without it.",
    )
    .addOption(new Option("--server <kind>", "only this one (default: both)").choices(SERVERS))
    .addOption(new Option("--transport <kind>", "of all clients").choices(TRANSPORTS).default("tcp"))
    .addOption(duration("--for <duration>", "how long is published; the first 12 s do not count", 60_000))
    .option("--json", "one JSON array on stdout")
    .addHelpText(
      "after",
      `
Rows: {server, transport, offeredBytesPerSecond, forMs, published, delivered, conflated, lost, windowMs, ageP50Ms, ageMaxMs,
ageOfAllowed, unpacedDelivered, unpacedAgeP50Ms, unpacedAgeMaxMs}; ageOfAllowed is the largest age as a share of three granted
windows and 200 ms, windowMs the widest granted.

Examples:
  $ stanzapack bench slow-server
  $ stanzapack bench slow-server --server ejabberd --transport websocket --for 30s --json`,
    )
    .action(slowServer);
}

async function slowServer(
  options: ServerOptions & { readonly for: number } & {
    readonly transport: (typeof TRANSPORTS)[number];
  },
): Promise<void> {
  await onEachServer(options, (benchmarks, server, run) =>
    benchmarks.runSlowServer({ server, transport: options.transport, forMs: options.for, ...run }),
  );
}
