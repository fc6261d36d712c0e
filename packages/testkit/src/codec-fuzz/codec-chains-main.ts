// `npm -s run chains -- --count N --seed N`
import { once } from "node:events";
import { parseArgs } from "node:util";
import { createSampleChain } from "./codec-chains.js";

const USAGE = `Usage: npm -s run chains -- [--count N] [--seed N]

Random chains of the columnar codec and what they hold, to test other implementations with: a line of JSON each,
{seed, bodies: [payload in hex, …], times: [[at, span, conflated], …], rows: [[row, …], …]}, an entry a body. Bytes are
{"$bytes": hex}, and numbers that JSON lacks {"$number": "NaN"}, as in vectors/.

  --count N   how many (default 300)
  --seed N    the first one's; those after it follow (default 1)
  --json      lines of JSON, as without
  --help      this text

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
