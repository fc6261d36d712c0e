import { Option, type Command } from "commander";
import { FORMATS } from "../estimate/file-format.js";
import { TIME_UNITS } from "../estimate/times.js";
import { listOf, parseCount, parseWindow } from "../base/parse.js";
import { lazily } from "../base/lazily.js";

export function addEstimate(program: Command): void {
  program
    .command("estimate")
    .summary("compute the bytes that your own data would take, before you change anything")
    .description(
      "Reads updates from a file, and computes the bytes that they take from the server to one " +
        "subscriber: as JSON bodies, JSON batches, plain msgpack and Stanzapack; over TCP with and " +
        "without stream compression, WebSocket, and BOSH with and without gzip. The command makes every " +
        "real stanza and reads it back. It uses no server.",
    )
    .argument("<file>", "NDJSON, a JSON array (.json) or CSV (.csv, .tsv); `-` is stdin")
    .option("--batch <list>", "numbers of updates in a stanza (default: 1,10,100)", listOf(parseCount))
    .addOption(
      new Option("--window <list>", "instead of --batch: windows, by the times in the file: 0,1s")
        .argParser(listOf(parseWindow))
        .conflicts("batch"),
    )
    .option(
      "--time <name>",
      "field or column of the time (default: found by its name, or because it is an ISO 8601 time)",
    )
    .option("--no-time", "the updates have no times")
    .addOption(
      new Option(
        "--time-unit <unit>",
        "unit of numeric times (default: found by the field's name, or by the size of the numbers)",
      ).choices(Object.keys(TIME_UNITS)),
    )
    .option(
      "--group-by <name>",
      "field whose value names the service of an update: each has its own batches, on one link; rows are totals",
    )
    .addOption(
      new Option("--format <format>", "of the file (default: found by its name, or its beginning)").choices(
        FORMATS,
      ),
    )
    .option("--json", "one JSON array on stdout")
    .addHelpText(
      "after",
      `
NDJSON has one JSON value a line: the update itself, or {"t": 1767225600000, "v": 21.5} with its time in ms. CSV has a
header. A row of CSV is an object, and a field that reads as a number is a number. Commas, semicolons or tabs separate
the columns; with semicolons and tabs, 1,5 is a number too. A number that a double cannot hold (9007199254740993, 1e400)
is kept as text. All formats are UTF-8. The command streams the file, so the file may be larger than the memory.

Times are ISO 8601 (UTC if they have no zone), or numbers: s, ms, us or ns since 1970; smaller numbers are ms. The time
is a field named t, time, timestamp, ts, date or alike. --window needs times. With --batch, times show how long a batch
takes.

Rows: {workload, updates, batch, windowMs, delayMs, transport, compression, form, envelope, bytes, bytesPerUpdate}.
delayMs is the longest time that an update waits, null without times. bytes counts whole stanzas with their addresses.
Over TCP and WebSocket it includes the server's request for acknowledgement after each stanza (XEP-0198). Over BOSH it
includes the answers with their heads (HTTP/2, nginx as in docker/README.md), each with one stanza. It excludes TLS and
TCP/IP, and everything that the subscriber sends. Prosody also adds xml:lang to each stanza: 14 bytes, which stream
compression removes.

Examples:
  $ seq 1 1000 > count.ndjson; stanzapack estimate count.ndjson
  $ journalctl -o json -n 1000 | stanzapack estimate - --time __REALTIME_TIMESTAMP
  $ stanzapack estimate sensors.csv --time measured --group-by sensor --window 1s,10s
  $ stanzapack estimate readings.csv --batch 1,10,100
  $ stanzapack estimate trace.ndjson --window 0,100ms,1s --json | jq '.[] | select(.form == "stanzapack")'`,
    )
    .action(lazily(async () => (await import("../actions/estimate.js")).estimate));
}
