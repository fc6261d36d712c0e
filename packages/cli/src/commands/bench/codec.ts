import type { Command } from "commander";
import { loadBench } from "../../base/bench-module.js";
import { listOf, parseCount } from "../../base/parse.js";
import { interruptible } from "../../base/signals.js";
import { oneOf } from "./on-each-server.js";

interface CodecOptions {
  readonly workload?: readonly string[];
  readonly batch?: readonly number[];
  readonly quick?: true;
  readonly json?: true;
}

const ROW_SETS = [
  ...[
    "int",
    "float2",
    "obj",
    "multi50",
    "pos30",
    "log1000",
    "chat",
    "dbl",
    "acc",
    "f32dec",
    "seattle",
    "normals",
  ],
  ...["wind", "stocks", "sp500", "birds", "weather", "usemp", "quakes", "flights", "gap", "movies"],
  ...["state200", "dict500", "doc8k", "blob3k", "queue"],
];

export function addCodec(bench: Command): void {
  const list = (allowed: readonly string[]) => listOf((text) => oneOf(allowed, text));
  bench
    .command("codec")
    .summary("measure size and time of the codec on 22 data sets and five large values")
    .description(
      "Encodes 22 data sets, and five large values that change a little, in batches, as whole stanzas at " +
        "10 batches a second. Reads every stanza back and checks its values. Compares size and time with " +
        "JSON in the same batches. Uses no server.",
    )
    .option("--workload <list>", ROW_SETS.join(", "), list(ROW_SETS))
    .option("--batch <list>", "numbers of updates in a stanza (default: 1,10,50,100)", listOf(parseCount))
    .option("--quick", "up to three minutes: batches of 10 and 100 unless --batch is given, and fewer passes")
    .option("--json", "one JSON array on stdout")
    .addHelpText(
      "after",
      `
Lists are separated by commas. Without a list, the command takes everything that the list may have.

Rows: {workload, batch, payloadBytesPerUpdate, frameBytesPerUpdate, rivalBytesPerUpdate, frameZlibBytesPerUpdate,
rivalZlibBytesPerUpdate, brotliBytesPerUpdate, xzBytesPerUpdate, envelope, keyframes, numericFields, encodeUsPerUpdate,
decodeUsPerUpdate, jsonDeflateUsPerUpdate, jsonInflateUsPerUpdate, memoryBytes}. Fields named frame and rival are whole
stanzas. Without compression, envelope names the envelope of most of our stanzas (lean, ibb). The last rows, workload
geomean, are the geometric means over the 22 data sets, without the five large values.

Examples:
  $ stanzapack bench codec
  $ stanzapack bench codec --quick
  $ stanzapack bench codec --workload int,chat --batch 1,10 --json`,
    )
    .action(codec);
}

async function codec(options: CodecOptions): Promise<void> {
  await interruptible(async ({ signal }) => {
    const { codec } = await loadBench("the benchmarks");
    const { workload, batch } = options;
    const rows = await codec.runCodec({
      ...(workload && { workloads: workload }),
      ...(batch && { batches: batch }),
      quick: options.quick ?? false,
      signal,
      onProgress: (text) => void process.stderr.write(`${text}\n`),
    });
    process.stdout.write(options.json ? `${JSON.stringify(rows)}\n` : `${codec.formatCodecReport(rows)}\n`);
  });
}
