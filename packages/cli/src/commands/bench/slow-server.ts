import { Option, type Command } from "commander";
import { duration, onEachServer, SERVERS, TRANSPORTS, type ServerOptions } from "./on-each-server.js";

export function addSlowServer(bench: Command): void {
  bench
    .command("slow-server")
    .summary("measure the age of values behind a server that limits a client's bytes per second")
    .description(
      "A publisher sends 150 random doubles every 100 ms, about 16 kB/s, through the limits that servers " +
        "ship with (ejabberd 3,000 B/s, Prosody 10 kB/s). Measures the age of the newest value at a " +
        "subscriber, with the publisher's pacing and, at the same time, without it.",
    )
    .addOption(new Option("--server <kind>", "only this server (default: both)").choices(SERVERS))
    .addOption(new Option("--transport <kind>", "of all clients").choices(TRANSPORTS).default("tcp"))
    .addOption(duration("--for <duration>", "time of publishing; the first 12 s do not count", 60_000))
    .option("--json", "one JSON array on stdout")
    .addHelpText(
      "after",
      `
Rows: {server, transport, offeredBytesPerSecond, forMs, published, delivered, conflated, lost, windowMs, ageP50Ms,
ageMaxMs, ageOfAllowed, unpacedDelivered, unpacedAgeP50Ms, unpacedAgeMaxMs}. windowMs is the widest granted window.
ageOfAllowed is the largest age as a share of three granted windows plus 200 ms.

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
