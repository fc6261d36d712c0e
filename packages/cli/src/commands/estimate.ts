import { Option, type Command } from "commander";
import { FORMATS } from "../estimate/file-format.js";
import { TIME_UNITS } from "../estimate/times.js";
import { listOf, parseCount, parseWindow } from "../base/parse.js";
import { lazily } from "../base/lazily.js";

export function addEstimate(program: Command): void {
  program
    .command("estimate")
    .summary("what your own data would take, before you change anything")
    .description(
      "Reads updates from a file and tells what they take from the server to one subscriber: as JSON bodies, JSON batches, plain " +
        "msgpack and Stanzapack; over TCP without and with stream compression, WebSocket, and BOSH without and with gzip. Every " +
        "stanza is made for real and read back. No server takes part.",
    )
    .argument("<file>", "NDJSON, a JSON array (.json) or CSV (.csv, .tsv); `-` is stdin")
    .option("--batch <list>", "updates a stanza (default: 1,10,100)", listOf(parseCount))
    .addOption(
      new Option("--window <list>", "or windows, by the times in the file: 0,1s")
        .argParser(listOf(parseWindow))
        .conflicts("batch"),
    )
    .option(
      "--time <name>",
      "the field or column of the time (default: found by its name, or as an ISO 8601 time)",
    )
    .option("--no-time", "no field is the time")
    .addOption(
      new Option(
        "--time-unit <unit>",
        "of numeric times (default: by the field's name, or by how large they are)",
      ).choices(Object.keys(TIME_UNITS)),
    )
    .option(
      "--group-by <name>",
      "a field whose values name services: each has batches of its own, on one link; rows are totals",
    )
    .addOption(
      new Option("--format <format>", "of the file (default: by its name, or by how it begins)").choices(
        FORMATS,
      ),
    )
    .option("--json", "one JSON array on stdout")
    .addHelpText(
      "after",
      `
NDJSON is a JSON value a line: the update itself, or {"t": 1767225600000, "v": 21.5} with its time in ms. CSV has a header; a row
is an object, and what reads as a number is one. Columns are divided by commas, semicolons or tabs; with the latter two 1,5 is a
number, too. A number that a double cannot hold (9007199254740993, 1e400) is kept as text. All are UTF-8. The file is streamed, so
it may be larger than the memory.

Times are ISO 8601 (UTC without a zone) or numbers: s, ms, us or ns since 1970, smaller ones ms. A field named t, time, timestamp,
ts, date or alike is taken. Windows need times. For batches they say how long one takes.

Rows: {workload, updates, batch, windowMs, delayMs, transport, compression, form, envelope, bytes, bytesPerUpdate}; delayMs is how
long an update waits at most, null without times. Bytes are whole stanzas with their addresses, over TCP and WebSocket the server's
request for acknowledgement after each (XEP-0198), and BOSH's answers with their heads (HTTP/2, nginx as docker/README.md has it),
each with one stanza; without TLS and TCP/IP, without what the subscriber sends. Prosody adds xml:lang to each stanza besides: 14
bytes, which stream compression takes away again.

Examples:
  $ seq 1 1000 > count.ndjson; stanzapack estimate count.ndjson
  $ journalctl -o json -n 1000 | stanzapack estimate - --time __REALTIME_TIMESTAMP
  $ stanzapack estimate sensors.csv --time measured --group-by sensor --window 1s,10s
  $ stanzapack estimate readings.csv --batch 1,10,100
  $ stanzapack estimate trace.ndjson --window 0,100ms,1s --json | jq '.[] | select(.form == "stanzapack")'`,
    )
    .action(lazily(async () => (await import("../actions/estimate.js")).estimate));
}
