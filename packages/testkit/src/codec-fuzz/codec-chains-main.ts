// `npm -s run chains -- --count N --seed N`
import { once } from "node:events";
import { parseArgs } from "node:util";
import { createSampleChain } from "./codec-chains.js";

const USAGE = `Usage: npm -s run chains -- [--count N] [--seed N]

Prints random chains of the columnar codec and their content, to test other implementations. Each line of JSON is one
chain: {seed, map, bodies: [payload in hex, …], times: [[at, span, conflated], …], rows: [[row, …], …]}. With map, the
chain is that of a map. The arrays have one entry for each body. Bytes are {"$bytes": hex}. A number that JSON lacks is {"$number": "NaN"}, as in vectors/.

  --count N   number of chains (default 300)
  --seed N    seed of the first chain; each next chain has the next seed (default 1)
  --json      has no effect: the output is always lines of JSON
  --help      print this text

Exit status: 0, or 2 for wrong arguments.
`;

function readArgs(): { count: number; seed: number; help: boolean } | undefined {
  try {
    const { values } = parseArgs({
      options: {
        count: { type: "string", default: "300" },
        seed: { type: "string", default: "1" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    const [count, seed] = [Number(values.count), Number(values.seed)];
    if (!Number.isSafeInteger(count) || count < 1 || !Number.isSafeInteger(seed)) return undefined;
    return { count, seed, help: values.help };
  } catch {
    return undefined;
  }
}

const args = readArgs();
if (args === undefined) {
  process.stderr.write(`stanzapack: wrong arguments\n\n${USAGE}`);
  process.exitCode = 2;
} else if (args.help) process.stdout.write(USAGE);
else
  for (let i = 0; i < args.count; i++)
    if (!process.stdout.write(`${JSON.stringify(createSampleChain(args.seed + i))}\n`))
      await once(process.stdout, "drain");
