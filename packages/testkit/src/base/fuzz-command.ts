import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Options of every fuzzer. */
export interface FuzzOptions<Server extends string = never> {
  /** One of the servers that the fuzzer can use. Undefined if it needs none. */
  readonly server: Server;
  readonly count: number;
  readonly seed: number;
  readonly collectGarbage: () => void;
  readonly onProgress: (done: number) => void;
}

/** Time between two progress lines, in ms. */
const PROGRESS_MS = 5_000;

/**
 * Runs a fuzzer as a command. The report goes to stdout, as text or as one JSON line; progress goes to stderr. Exit
 * status 1 means findings, 2 a wrong argument.
 */
export async function runFuzzCommand<Server extends string = never>(
  name: string,
  what: string,
  fuzz: (options: FuzzOptions<Server>) => Promise<{ readonly findings: readonly string[] }>,
  servers: readonly Server[] = [],
): Promise<void> {
  const serverUsage =
    servers.length === 0 ? "" : `  --server S  ${servers.join(" or ")} (default ${servers[0]})\n`;
  const usage = `Usage: npm -s run ${name} -- [--count N] [--seed N]${servers.length === 0 ? "" : " [--server S]"} [--json]

${what}

  --count N   number of inputs (default 100000)
  --seed N    seed; the same seed gives the same inputs (default: from the clock, and in the report)
${serverUsage}  --json      print the report as one line of JSON
  --help      print this text

Exit status: 0 no finding, 1 at least one finding, 2 wrong arguments.
`;
  const args = readArgs(servers);
  if (args === undefined) {
    process.stderr.write(`stanzapack: wrong arguments\n\n${usage}`);
    process.exitCode = 2;
    return;
  }
  if (args.help) {
    process.stdout.write(usage);
    return;
  }
  setFlagsFromString("--expose-gc");
  const start = performance.now();
  let toldAt = start;
  const report = await fuzz({
    server: args.server,
    count: args.count,
    seed: args.seed,
    collectGarbage: runInNewContext("gc") as () => void,
    onProgress(done) {
      if (performance.now() - toldAt < PROGRESS_MS) return;
      toldAt = performance.now();
      process.stderr.write(
        `${name}: ${done} of ${args.count} after ${((toldAt - start) / 1_000).toFixed(0)} s\n`,
      );
    },
  });
  const whole = { ...report, elapsedSeconds: Math.round((performance.now() - start) / 100) / 10 };
  process.stdout.write(args.json ? `${JSON.stringify(whole)}\n` : format(whole));
  process.exitCode = report.findings.length === 0 ? 0 : 1;
}

function readArgs<Server extends string>(
  servers: readonly Server[],
): { server: Server; count: number; seed: number; json: boolean; help: boolean } | undefined {
  try {
    const { values } = parseArgs({
      options: {
        count: { type: "string", default: "100000" },
        seed: { type: "string" },
        server: { type: "string" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    const count = Number(values.count);
    const seed = values.seed === undefined ? Date.now() % 1_000_000 : Number(values.seed);
    if (!Number.isSafeInteger(count) || count < 1 || !Number.isSafeInteger(seed)) return undefined;
    const server = servers.find((one) => one === (values.server ?? servers[0]));
    if (server === undefined && (servers.length > 0 || values.server !== undefined)) return undefined;
    return { server: server as Server, count, seed, json: values.json, help: values.help };
  } catch {
    return undefined;
  }
}

function format(report: Readonly<Record<string, unknown>>): string {
  const { findings, ...figures } = report as { findings: readonly string[] };
  const lines = Object.entries(figures).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  return `${[...lines, `findings ${findings.length}`, ...findings].join("\n")}\n`;
}
