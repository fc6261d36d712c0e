import { Option, type Command } from "commander";
import { listOf, parseCount, parseWindow } from "../parse.js";
import { lazily } from "../lazily.js";

export function addEstimate(program: Command): void {
  program
    .command("estimate")
    .summary("what your own data would take, before you change anything")
    .description(
      "Reads updates from a file and tells what they take from the server to one subscriber: as JSON bodies, JSON batches, plain " +
        "msgpack and Stanzapack; over TCP without and with stream compression, WebSocket, and BOSH without and with gzip. Every " +
        "stanza is made for real and read back. No server takes part.",
    )
    .argument("<file>", "NDJSON, or CSV when its name ends in .csv")
    .option("--batch <list>", "updates a stanza (default: 1,10,100)", listOf(parseCount))
    .addOption(
      new Option("--window <list>", "or windows, by the times in the file: 0,1s")
        .argParser(listOf(parseWindow))
        .conflicts("batch"),
    )
    .addOption(
      new Option("--profile <name>", "how ours is coded: compact is slower, and smaller where there is text")
        .choices(["default", "compact"])
        .default("default"),
    )
    .option("--json", "one JSON array on stdout")
    .addHelpText(
      "after",
      `
NDJSON is a JSON value a line: the update itself, or {"t": 1767225600000, "v": 21.5} with its time in ms. CSV has a header; a
row is an object, what reads as a number is one, and a column named t is the time. Windows need times. The file is streamed,
so it may be larger than the memory.

Rows: {workload, updates, batch, windowMs, transport, compression, form, profile, bytes, bytesPerUpdate}; bytes of whole
stanzas with their addresses, and of BOSH's answers with their heads (HTTP/2, nginx as docker/README.md has it), each answer
with one stanza; without TLS and TCP/IP, without what the subscriber sends.

Examples:
  $ seq 1 1000 > count.ndjson; stanzapack estimate count.ndjson
  $ stanzapack estimate readings.csv --batch 1,10,100 --profile compact
  $ stanzapack estimate trace.ndjson --window 0,100ms,1s --json | jq '.[] | select(.form == "stanzapack")'`,
    )
    .action(lazily(async () => (await import("../actions/estimate.js")).estimate));
}
